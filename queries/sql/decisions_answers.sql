-- The answers that the operator gave and did not withdraw, oldest first.
SELECT policy_domain, criterion, answer, note, name, on_day, recorded_at, number FROM answers
WHERE ($policy_domain IS NULL OR policy_domain = $policy_domain) AND ($at IS NULL OR recorded_at <= $at)
  AND (withdrawn_at IS NULL OR withdrawn_at > $at)
ORDER BY recorded_at, number
