-- The warnings that the operator accepted and did not withdraw, oldest first; expired ones too.
SELECT acknowledgement, policy_domain, criterion, basis, reason, name, recorded_at, expires_at FROM acknowledgements
WHERE ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($at IS NULL OR recorded_at <= $at) AND (withdrawn_at IS NULL OR withdrawn_at > $at)
ORDER BY recorded_at, acknowledgement
