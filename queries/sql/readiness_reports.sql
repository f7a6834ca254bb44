-- How many reports about each domain there are, how many were of no use, and whose sessions somebody answers for.
WITH about AS (
  SELECT policy_domain, report, min(trust) AS trust,
    max(CASE WHEN superseded AND report NOT IN (SELECT unnest($kept::BIGINT[])) THEN 1 ELSE 0 END) AS superseded,
    sum(total_successful_session_count + total_failure_session_count) FILTER (WHERE policy_type = 'sts') AS sessions
  FROM policies
  WHERE day >= $since AND day <= $until AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($policy_domains IS NULL OR policy_domain IN (SELECT unnest($policy_domains::VARCHAR[])))
  GROUP BY policy_domain, report
),
bad AS (
  SELECT report, count(*) AS refused FROM deliveries
  WHERE outcome = 'refused' AND report IS NOT NULL GROUP BY report
),
late AS (
  SELECT report FROM reports
  WHERE day >= $since AND day <= $until AND superseded AND received_at > $at
    AND report NOT IN (SELECT unnest($kept::BIGINT[]))
  UNION
  SELECT unnest($late::BIGINT[])
),
odd AS (
  SELECT report FROM reports WHERE day >= $since AND day <= $until AND excluded IS NOT NULL
)
SELECT policy_domain,
  count(*) FILTER (WHERE trust IN ('vouched', 'known')) AS reports,
  coalesce(sum(superseded) FILTER (WHERE trust IN ('vouched', 'known')), 0) AS superseded,
  count(*) FILTER (WHERE trust IN ('vouched', 'known') AND odd.report IS NOT NULL) AS excluded,
  coalesce(sum(refused) FILTER (WHERE trust IN ('vouched', 'known')), 0) AS refused,
  coalesce(sum(sessions) FILTER (WHERE trust IN ('vouched', 'known') AND superseded = 0), 0) AS trusted_sessions,
  coalesce(sum(sessions) FILTER (WHERE superseded = 0), 0) AS sessions
FROM about LEFT JOIN bad ON bad.report = about.report LEFT JOIN odd ON odd.report = about.report
WHERE about.report NOT IN (SELECT report FROM late)
GROUP BY policy_domain ORDER BY policy_domain
