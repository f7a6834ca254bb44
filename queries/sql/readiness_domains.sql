-- The domains that there is a verdict on: those that trusted reports or looks are about.
SELECT policy_domain FROM counted_policies
WHERE trust IN ('vouched', 'known') AND policy_type <> 'tlsa' AND day <= $until
UNION
SELECT policy_domain FROM checks WHERE checked_at <= $at
ORDER BY policy_domain
