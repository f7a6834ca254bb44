-- Reports with certain policies or failures that have all of some words, newest first or otherwise, a page of them.
-- `matches` is how many there are. Numbers and words are ordered by a key of their own.
WITH matched AS (
  SELECT report, day, organization, trust, defects, report_id FROM reports
  WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($organization IS NULL OR organization = $organization)
    AND (($policy_domain IS NULL AND $policy_type IS NULL AND NOT $failing) OR report IN (
      SELECT report FROM policies WHERE TRUE
        AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
        AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
        AND ($organization IS NULL OR organization = $organization)
        AND ($policy_type IS NULL OR policy_type = $policy_type)
        AND (NOT $failing OR total_failure_session_count > 0 OR would_block > 0)))
    AND (($result_type IS NULL AND $cause IS NULL AND $mx IS NULL) OR report IN (
      SELECT report FROM counted_failures WHERE TRUE
        AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
        AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
        AND ($organization IS NULL OR organization = $organization)
        AND ($policy_type IS NULL OR policy_type = $policy_type)
        AND ($result_type IS NULL OR result_type = $result_type)
        AND ($cause IS NULL OR cause = $cause)
        AND ($mx IS NULL OR mx_key = $mx)))
    AND (len($words) = 0 OR report IN (
      SELECT told.report FROM reports AS told LEFT JOIN policies ON policies.report = told.report
      WHERE len($words) > 0
        AND ($since IS NULL OR told.day >= $since) AND ($until IS NULL OR told.day <= $until)
        AND ($organization IS NULL OR told.organization = $organization)
        AND ($policy_domain IS NULL
          OR told.report IN (SELECT report FROM policies WHERE policy_domain = $policy_domain))
        AND len(list_filter($words, lambda word: NOT contains(
          lower(concat_ws(chr(10), told.day, told.organization, policies.policy_domain, told.trust, report_id,
            CASE WHEN told.superseded THEN 'superseded' END, CASE WHEN defects > 0 THEN 'defects' END)), word))) = 0))
),
sums AS (
  SELECT report, lower(min(policy_domain)) AS policy_domains,
    CASE $order
      WHEN 'sts_successful' THEN sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts')
      WHEN 'sts_failed' THEN sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts')
      WHEN 'tlsa_successful' THEN sum(total_successful_session_count) FILTER (WHERE policy_type = 'tlsa')
      WHEN 'tlsa_failed' THEN sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa')
      ELSE sum(total_successful_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa'))
    END AS number
  FROM policies
  WHERE $order IN ('policy_domains', 'sts_successful', 'sts_failed', 'tlsa_successful', 'tlsa_failed',
      'no_policy_successful')
    AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  GROUP BY report
),
keyed AS (
  SELECT matched.report, matched.day,
    CASE $order WHEN 'day' THEN datediff('day', DATE '1970-01-01', matched.day) WHEN 'defects' THEN defects
      ELSE sums.number END AS number,
    CASE $order WHEN 'organization' THEN lower(organization) WHEN 'trust' THEN trust
      WHEN 'report_id' THEN lower(report_id) WHEN 'policy_domains' THEN sums.policy_domains END AS word
  FROM matched LEFT JOIN sums ON sums.report = matched.report
),
wanted AS (
  SELECT report, row_number() OVER () AS place FROM (
    SELECT report FROM keyed
    ORDER BY
      CASE WHEN $descending THEN number END DESC NULLS LAST, CASE WHEN NOT $descending THEN number END NULLS FIRST,
      CASE WHEN $descending THEN word END DESC NULLS LAST, CASE WHEN NOT $descending THEN word END NULLS FIRST,
      day DESC, report DESC
    LIMIT $limit OFFSET $offset)
),
scoped AS (
  SELECT report,
    string_agg(DISTINCT policy_domain, ', ' ORDER BY policy_domain) AS policy_domains,
    sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts') AS sts_successful,
    sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts') AS sts_failed,
    sum(total_successful_session_count) FILTER (WHERE policy_type = 'tlsa') AS tlsa_successful,
    sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa') AS tlsa_failed,
    sum(total_successful_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')) AS no_policy_successful,
    sum(total_failure_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')) AS no_policy_failed
  FROM policies WHERE report IN (SELECT report FROM wanted) GROUP BY report
)
SELECT wanted.report, day, organization, coalesce(policy_domains, '') AS policy_domains, sts_successful, sts_failed,
  tlsa_successful, tlsa_failed, no_policy_successful, no_policy_failed, defects, trust, superseded, report_id,
  (SELECT count(*) FROM matched) AS matches
FROM wanted JOIN reports ON reports.report = wanted.report LEFT JOIN scoped ON scoped.report = wanted.report
ORDER BY place
