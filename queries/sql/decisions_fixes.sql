-- The repairs that the operator recorded and did not withdraw, oldest first.
SELECT fix, policy_domain, cause, mx_key, fixed_at, note, name, recorded_at FROM fixes
WHERE ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($at IS NULL OR (recorded_at <= $at AND fixed_at <= $at)) AND (withdrawn_at IS NULL OR withdrawn_at > $at)
ORDER BY fixed_at, fix
