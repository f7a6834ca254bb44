-- How many policy domains had sessions blocked while the policy that senders saw last was in mode enforce.
SELECT count(*) AS domains
FROM (
  SELECT max(struct_pack(day := day, report := report, known_age := coalesce(max_age, 0), policy := policy,
      mode := mode)) FILTER (WHERE policy_type = 'sts' AND mode IS NOT NULL) AS newest
  FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  GROUP BY policy_domain HAVING sum(would_block) > 0
)
WHERE newest.mode = 'enforce'
