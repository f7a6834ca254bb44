-- How deliveries ended, most first; skipped ones by what they were.
SELECT outcome, CASE WHEN outcome = 'skipped' THEN reason ELSE '' END AS reason, count(*) AS deliveries
FROM deliveries GROUP BY outcome, CASE WHEN outcome = 'skipped' THEN reason ELSE '' END
ORDER BY deliveries DESC, outcome, reason
