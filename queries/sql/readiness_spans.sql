-- Policies of trusted reports that cover several UTC days: from which day to which.
WITH long AS (
  SELECT report, first_day, last_day FROM reports
  WHERE day >= $since AND day <= $until AND first_day <> last_day AND excluded IS NULL AND trust IN ('vouched', 'known')
    AND (NOT superseded OR report IN (SELECT unnest($kept::BIGINT[])))
    AND report NOT IN (SELECT unnest($late::BIGINT[]))
)
SELECT policy_domain, organization, day, canonical, evaluated, first_day, last_day
FROM long JOIN policies ON policies.report = long.report
WHERE policy_type <> 'tlsa' AND day >= $since AND day <= $until
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($policy_domains IS NULL OR policy_domain IN (SELECT unnest($policy_domains::VARCHAR[])))
ORDER BY policy_domain, day, organization, canonical, first_day, last_day, evaluated
