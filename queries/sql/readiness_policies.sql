-- The MTA-STS policies that senders saw, and from when to when; trusted reports alone.
SELECT policy_domain, canonical, min(day) AS first_day, max(day) AS last_day
FROM policies
WHERE (NOT superseded OR report IN (SELECT unnest($kept::BIGINT[]))) AND report NOT IN (SELECT unnest($late::BIGINT[]))
  AND trust IN ('vouched', 'known') AND policy_type = 'sts' AND canonical <> '' AND day <= $until
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($policy_domains IS NULL OR policy_domain IN (SELECT unnest($policy_domains::VARCHAR[])))
  AND report NOT IN (SELECT report FROM reports WHERE day <= $until AND excluded IS NOT NULL)
GROUP BY policy_domain, canonical
ORDER BY policy_domain, first_day, last_day, canonical
