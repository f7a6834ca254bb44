-- Everything ever seen of a domain, up to a time, oldest first; nothing is seen later than the newest look then.
WITH looks AS (
  SELECT policy_domain, vantage, settings, max(checked_at) AS newest FROM checks
  WHERE policy_domain = $policy_domain AND ($at IS NULL OR checked_at <= $at)
  GROUP BY policy_domain, vantage, settings
)
SELECT o.subject, o.facts, o.ttl, o.seconds, o.banner, o.first_seen, least(o.last_seen, looks.newest) AS last_seen,
  o.vantage, o.settings
FROM observations AS o JOIN looks
  ON o.policy_domain = looks.policy_domain AND o.vantage = looks.vantage AND o.settings = looks.settings
WHERE $at IS NULL OR o.first_seen <= $at
ORDER BY o.first_seen, o.kind, o.subject, o.vantage, o.settings
