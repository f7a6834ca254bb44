-- Policies of trusted reports that cover several UTC days: from which day to which.
SELECT counted_policies.policy_domain, counted_policies.organization, counted_policies.day, canonical, evaluated, first_day,
  last_day
FROM counted_reports JOIN counted_policies ON counted_policies.report = counted_reports.report
WHERE first_day <> last_day AND excluded IS NULL AND (received_at IS NULL OR received_at <= $at)
  AND counted_reports.trust IN ('vouched', 'known') AND policy_type <> 'tlsa'
  AND counted_reports.day >= $since AND counted_reports.day <= $until
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
ORDER BY counted_policies.policy_domain, counted_policies.day, counted_policies.organization, canonical, first_day,
  last_day, evaluated
