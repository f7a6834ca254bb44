-- The answers that the operator gave, oldest first.
SELECT policy_domain, criterion, answer, note, name, on_day, recorded_at FROM answers
WHERE ($policy_domain IS NULL OR policy_domain = $policy_domain) AND ($at IS NULL OR recorded_at <= $at)
ORDER BY policy_domain, criterion, recorded_at, answer, note
