-- Everything at a glance. Sessions stand by policy type; types are never added up.
WITH scoped AS (
  SELECT * FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
),
policies_of AS (
  SELECT count(DISTINCT policy_domain) AS domains,
    coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_successful,
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_failed,
    coalesce(sum(would_block), 0) AS would_block,
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_failed,
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')), 0)
      AS no_policy_failed
  FROM scoped
),
reports_of AS (
  SELECT count(DISTINCT organization) AS organizations, count(*) AS reports, min(day) AS first_day,
    max(day) AS last_day, count(*) FILTER (WHERE trust NOT IN ('vouched', 'known')) AS claims,
    count(*) FILTER (WHERE defects > 0) AS defective
  FROM counted_reports
  WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($organization IS NULL OR organization = $organization)
    AND (($policy_domain IS NULL AND $policy_type IS NULL) OR report IN (SELECT report FROM scoped))
),
deliveries_of AS (
  SELECT count(*) FILTER (WHERE outcome = 'refused') AS refused, count(*) FILTER (WHERE outcome = 'skipped') AS skipped
  FROM deliveries
)
SELECT domains, organizations, reports, first_day, last_day, sts_successful, sts_failed, would_block, tlsa_failed,
  no_policy_failed, claims, defective, refused, skipped
FROM policies_of, reports_of, deliveries_of
