-- What every question starts from. Made anew whenever a store is opened for writing.

-- Reports, policies and failures that count: a superseded report's numbers live on in its successor.
CREATE OR REPLACE VIEW counted_reports AS SELECT * FROM reports WHERE NOT superseded;
CREATE OR REPLACE VIEW counted_policies AS SELECT * FROM policies WHERE NOT superseded;

-- Failed sessions by cause. Those that a summary counts and no failure-details row explains are a row of
-- their own, "unclassified"; its impact is unknown, so it never counts as would-block.
CREATE OR REPLACE VIEW counted_failures AS
SELECT report, policy, day, policy_domain, organization, trust, policy_type, result_type, cause, impact, mx_key,
    failed_session_count, sending_mta_ip, receiving_mx_hostname, receiving_ip, failure_reason_code
FROM failures WHERE NOT superseded
UNION ALL
SELECT report, policy, day, policy_domain, organization, trust, policy_type, 'unclassified', 'unclassified', 'unknown',
    '*', unclassified, NULL, NULL, NULL, NULL
FROM policies WHERE NOT superseded AND unclassified > 0;
