-- Policies of trusted reports that cover several UTC days: from which day to which.
SELECT policies.policy_domain, policies.organization, policies.day, canonical, evaluated, first_day, last_day
FROM reports JOIN policies ON policies.report = reports.report
WHERE first_day <> last_day AND excluded IS NULL
  AND (NOT reports.superseded OR reports.report IN (SELECT unnest($kept::BIGINT[])))
  AND reports.report NOT IN (SELECT unnest($late::BIGINT[]))
  AND reports.trust IN ('vouched', 'known') AND policy_type <> 'tlsa'
  AND reports.day >= $since AND reports.day <= $until
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
ORDER BY policies.policy_domain, policies.day, policies.organization, canonical, first_day, last_day, evaluated
