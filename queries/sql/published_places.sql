-- The newest look at a domain from each place with each set of settings, newest first, and what each found.
WITH looks AS (
  SELECT policy_domain, vantage, settings, max(checked_at) AS checked_at FROM checks
  WHERE policy_domain = $policy_domain AND ($at IS NULL OR checked_at <= $at)
  GROUP BY policy_domain, vantage, settings
)
SELECT looks.policy_domain, looks.vantage, looks.settings, looks.checked_at, o.kind, o.subject, o.facts, o.ttl,
  o.seconds, o.banner
FROM looks LEFT JOIN observations AS o
  ON o.policy_domain = looks.policy_domain AND o.vantage = looks.vantage AND o.settings = looks.settings
  AND o.first_seen <= looks.checked_at AND o.last_seen >= looks.checked_at
ORDER BY looks.checked_at DESC, looks.vantage, looks.settings, o.kind, o.subject
