-- The domains that a report, a look or the operator names, about which no report of the scope is, by name.
SELECT policy_domain FROM (
  SELECT policy_domain FROM counted_policies WHERE $until IS NULL OR day <= $until
  UNION
  SELECT policy_domain FROM checks
  UNION
  SELECT unnest($watched::VARCHAR[]) AS policy_domain
)
EXCEPT
SELECT policy_domain FROM counted_policies
WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
ORDER BY policy_domain
