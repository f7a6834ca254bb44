-- When each domain, or some of them, was looked at last, up to a time, and how often in all.
SELECT policy_domain, checked_at, vantage, checks
FROM (
  SELECT policy_domain, checked_at, vantage,
    row_number() OVER (PARTITION BY policy_domain ORDER BY checked_at DESC, vantage, settings) AS place,
    count(*) OVER (PARTITION BY policy_domain) AS checks
  FROM checks
  WHERE ($policy_domain IS NULL OR policy_domain = $policy_domain) AND ($at IS NULL OR checked_at <= $at)
    AND ($names IS NULL OR policy_domain IN (SELECT unnest($names)))
) AS looks
WHERE place = 1
ORDER BY policy_domain
