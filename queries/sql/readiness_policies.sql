-- The MTA-STS policies that senders saw, and from when to when; trusted reports alone.
SELECT policy_domain, canonical, min(day) AS first_day, max(day) AS last_day
FROM counted_policies
WHERE trust IN ('vouched', 'known') AND policy_type = 'sts' AND canonical <> '' AND day <= $until
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND report NOT IN (
    SELECT report FROM counted_reports WHERE day <= $until AND (excluded IS NOT NULL OR received_at > $at))
GROUP BY policy_domain, canonical
ORDER BY policy_domain, first_day, last_day, canonical
