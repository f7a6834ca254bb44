-- Reports that counted otherwise at a moment than they do now: what came later had not come, what it replaced stood.
WITH moved AS (
  SELECT report_key, trust FROM reports WHERE day >= $since AND day <= $until AND received_at > $at GROUP BY report_key, trust
),
versions AS (
  SELECT reports.report, reports.report_key, reports.trust, superseded, reports.received_at IS NULL AS always,
    max(deliveries.received_at) AS received_at
  FROM reports
  JOIN moved ON moved.report_key = reports.report_key AND moved.trust = reports.trust
  LEFT JOIN deliveries ON deliveries.report = reports.report AND outcome IN ('loaded', 'duplicate')
    AND deliveries.received_at <= $at
  WHERE reports.day >= $since AND reports.day <= $until
  GROUP BY reports.report, reports.report_key, reports.trust, superseded, always
),
placed AS (
  SELECT report, superseded, always OR received_at IS NOT NULL AS there,
    row_number() OVER (
      PARTITION BY report_key, trust, always OR received_at IS NOT NULL ORDER BY received_at DESC NULLS LAST, report DESC
    ) AS place
  FROM versions
)
SELECT report, there AND place = 1 AS counted FROM placed WHERE (there AND place = 1) = superseded ORDER BY report
