-- One report, without its policies.
SELECT report, organization_name, organization, submitter, contact_info, report_id, start_datetime, end_datetime, day,
  first_day, last_day, trust, superseded, excluded, signer
FROM reports WHERE report = $report
