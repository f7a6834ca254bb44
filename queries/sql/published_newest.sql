-- What the newest look at a domain found, at or before a time; one row without a thing if it found nothing.
WITH look AS (
  SELECT policy_domain, vantage, settings, checked_at FROM checks
  WHERE policy_domain = $policy_domain
    AND ($at IS NULL OR checked_at <= $at) AND ($vantage IS NULL OR vantage = $vantage)
  ORDER BY checked_at DESC, vantage, settings LIMIT 1
)
SELECT look.policy_domain, look.vantage, look.settings, look.checked_at, o.kind, o.subject, o.facts, o.ttl, o.seconds,
  o.banner
FROM look LEFT JOIN observations AS o
  ON o.policy_domain = look.policy_domain AND o.vantage = look.vantage AND o.settings = look.settings
  AND o.first_seen <= look.checked_at AND o.last_seen >= look.checked_at
ORDER BY o.kind, o.subject
