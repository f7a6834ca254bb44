-- The failure-details rows of one report, in the order of its policies, most sessions first.
SELECT policy, result_type, result_type_raw, cause, impact, sending_mta_ip, receiving_mx_hostname, receiving_mx_helo,
  receiving_ip, failed_session_count, additional_information, failure_reason_code
FROM failures WHERE report = $report
ORDER BY policy, failed_session_count DESC, cause, receiving_mx_hostname, sending_mta_ip, failure_reason_code
