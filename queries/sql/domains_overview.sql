-- How each policy domain stands: sessions by policy type, what enforce would block, the mode last seen.
WITH scoped AS (
  SELECT * FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
),
counts AS (
  SELECT policy_domain,
    coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_successful,
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_failed,
    coalesce(sum(would_block), 0) AS would_block,
    coalesce(sum(unclassified) FILTER (WHERE policy_type = 'sts'), 0) AS unclassified,
    coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_successful,
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_failed,
    coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')), 0)
      AS no_policy_successful,
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')), 0)
      AS no_policy_failed,
    count(DISTINCT organization) AS organizations,
    count(DISTINCT report) AS reports,
    min(day) AS first_day,
    max(day) AS last_day
  FROM scoped GROUP BY policy_domain
),
-- On the day of a change senders see different policies; the later report, then the higher max_age, is taken.
seen AS (
  SELECT policy_domain,
    max(struct_pack(day := day, report := report, known_age := coalesce(max_age, 0), policy := policy, mode := mode,
      max_age := max_age)) AS newest
  FROM scoped WHERE policy_type = 'sts' AND mode IS NOT NULL GROUP BY policy_domain
)
SELECT counts.policy_domain, seen.newest.mode AS mode, seen.newest.max_age AS max_age, sts_successful, sts_failed, would_block, unclassified,
  CASE WHEN sts_successful + sts_failed > 0 THEN sts_failed / (sts_successful + sts_failed) END AS failure_rate,
  tlsa_successful, tlsa_failed, no_policy_successful, no_policy_failed, organizations, reports, first_day, last_day
FROM counts LEFT JOIN seen ON seen.policy_domain = counts.policy_domain
WHERE NOT $failing OR sts_failed + tlsa_failed + no_policy_failed + would_block > 0
ORDER BY would_block DESC, greatest(sts_failed, tlsa_failed, no_policy_failed) DESC, counts.policy_domain
