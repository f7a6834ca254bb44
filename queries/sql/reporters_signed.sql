-- Who signed reports, known or not: from which address, how many, on which days, and what they call themselves.
SELECT signer, coalesce(address, '') AS address, trust, count(*) AS reports, min(day) AS first_day, max(day) AS last_day,
  min(organization_name) AS organization_name
FROM counted_reports
WHERE trust IN ('signed', 'known') AND signer IS NOT NULL
GROUP BY signer, address, trust
ORDER BY trust DESC, reports DESC, signer, address
