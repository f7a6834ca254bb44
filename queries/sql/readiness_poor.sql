-- Trusted reports that were replaced, are kept out of decisions or have refused entries, newest day first.
WITH about AS (
  SELECT DISTINCT policy_domain, report FROM policies
  WHERE trust IN ('vouched', 'known') AND day >= $since AND day <= $until
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
),
bad AS (
  SELECT report, min(reason) AS reason FROM deliveries
  WHERE outcome = 'refused' AND report IS NOT NULL GROUP BY report
)
SELECT about.policy_domain, about.report, day, organization,
  CASE WHEN superseded THEN 'replaced by a newer report' WHEN excluded IS NOT NULL THEN excluded ELSE reason END AS why
FROM about JOIN reports ON reports.report = about.report LEFT JOIN bad ON bad.report = about.report
WHERE day >= $since AND day <= $until AND (superseded OR excluded IS NOT NULL OR reason IS NOT NULL)
  AND (received_at IS NULL OR received_at <= $at)
ORDER BY day DESC, about.report, about.policy_domain
