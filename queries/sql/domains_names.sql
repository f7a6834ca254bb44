-- Every domain that a report or a look is about, by name.
SELECT policy_domain FROM counted_policies WHERE $until IS NULL OR day <= $until
UNION
SELECT policy_domain FROM checks
ORDER BY policy_domain
