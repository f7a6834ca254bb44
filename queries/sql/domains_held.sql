-- The policy domains that had sessions blocked while the policy that senders saw last was in mode enforce, most first.
SELECT policy_domain
FROM (
  SELECT policy_domain, sum(would_block) AS blocked,
    max(struct_pack(day := day, report := report, known_age := coalesce(max_age, 0), policy := policy,
      mode := mode)) FILTER (WHERE policy_type = 'sts' AND mode IS NOT NULL) AS newest
  FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  GROUP BY policy_domain HAVING sum(would_block) > 0
)
WHERE newest.mode = 'enforce'
ORDER BY blocked DESC, policy_domain
