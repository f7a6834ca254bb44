-- Reports of several UTC days: who sent them, and from which day to which; their counts stand on one day.
WITH long AS (
  SELECT report, organization, first_day, last_day FROM counted_reports WHERE first_day <> last_day
    AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($organizations IS NULL OR organization IN (SELECT unnest($organizations::VARCHAR[])))
)
SELECT organization, first_day, last_day FROM long
WHERE report IN (
  SELECT report FROM counted_policies
  WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
)
GROUP BY organization, first_day, last_day ORDER BY organization, first_day, last_day
