-- Reports and how they came. Facts are denormalised: a policy or failure row carries its report's day,
-- organization and trust, so that no common question needs a join. All times are UTC.

-- What this store is. `secret` keys the report keys, so that nobody outside can aim at a collision.
CREATE TABLE properties (
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);

-- One row per thing opened: file, archive member, mail part; and one per entry of a report that was refused.
CREATE TABLE deliveries (
    delivery BIGINT NOT NULL,
    source VARCHAR NOT NULL,        -- file, or file and place inside it
    name VARCHAR NOT NULL,          -- attachment or member name, or place in the report of a refused entry
    outcome VARCHAR NOT NULL,       -- loaded, duplicate, refused, skipped
    reason VARCHAR NOT NULL,        -- why it was refused, what it was if skipped, else empty
    report BIGINT,                  -- the report it brought, or belongs to
    vouched BOOLEAN NOT NULL,       -- the operator answers for its origin
    mailed BOOLEAN NOT NULL,        -- it came in a mail
    loaded_at TIMESTAMP NOT NULL,   -- when it was last read
    received_at TIMESTAMP,          -- when its mail came
    sender VARCHAR,                 -- domain of From
    subject VARCHAR,
    message_id VARCHAR,
    report_domain VARCHAR,          -- TLS-Report-Domain
    report_submitter VARCHAR,       -- TLS-Report-Submitter
    size BIGINT NOT NULL            -- bytes kept in payloads, 0 if none were
);

-- What came, as it came. No analysis reads this table.
CREATE TABLE payloads (
    delivery BIGINT NOT NULL,
    content BLOB NOT NULL USING COMPRESSION zstd
);

-- Files read to their end: one that has not changed since is not opened again.
CREATE TABLE files (
    path VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    vouched BOOLEAN NOT NULL,
    reports BIGINT NOT NULL         -- how many it held
);

CREATE TABLE reports (
    report BIGINT NOT NULL,
    day DATE NOT NULL,              -- UTC day that the counts belong to
    first_day DATE NOT NULL,        -- first and last UTC day that it covers
    last_day DATE NOT NULL,
    start_datetime TIMESTAMP NOT NULL,
    end_datetime TIMESTAMP NOT NULL, -- exclusive
    organization VARCHAR NOT NULL,  -- one name per reporting organization
    organization_name VARCHAR,      -- as sent
    submitter VARCHAR NOT NULL,     -- domain that speaks for the sender
    contact_info VARCHAR,
    report_id VARCHAR NOT NULL,
    report_key BIGINT NOT NULL,     -- keyed hash of submitter, report_id, start and end
    content_hash BIGINT NOT NULL,   -- of the document's bytes
    trust VARCHAR NOT NULL,         -- vouched, known, signed, unchecked, unverified
    superseded BOOLEAN NOT NULL,    -- a newer report with the same identity took its place
    excluded VARCHAR,               -- why it is kept out of decisions, if it is
    received_at TIMESTAMP,
    delivery BIGINT NOT NULL,       -- whose payload is its document
    defects BIGINT NOT NULL         -- how many rows it has in defects
);

CREATE TABLE policies (
    report BIGINT NOT NULL,
    policy BIGINT NOT NULL,         -- place in the report, from 0
    day DATE NOT NULL,
    policy_domain VARCHAR NOT NULL,
    organization VARCHAR NOT NULL,
    trust VARCHAR NOT NULL,
    superseded BOOLEAN NOT NULL,
    policy_type VARCHAR NOT NULL,
    policy_string VARCHAR[] NOT NULL,
    mx_host VARCHAR[] NOT NULL,
    canonical VARCHAR NOT NULL,     -- the policy without order, case and spacing
    mode VARCHAR,
    max_age BIGINT,                 -- seconds
    total_successful_session_count BIGINT NOT NULL,
    total_failure_session_count BIGINT NOT NULL,
    would_block BIGINT NOT NULL,    -- failed sessions that enforce keeps from delivering
    unclassified BIGINT NOT NULL,   -- failed sessions that no failure-details row explains
    evaluated BIGINT NOT NULL       -- sessions that say something about this policy
);

CREATE TABLE failures (
    report BIGINT NOT NULL,
    policy BIGINT NOT NULL,
    day DATE NOT NULL,
    policy_domain VARCHAR NOT NULL,
    organization VARCHAR NOT NULL,
    trust VARCHAR NOT NULL,
    superseded BOOLEAN NOT NULL,
    policy_type VARCHAR NOT NULL,
    result_type VARCHAR NOT NULL,
    result_type_raw VARCHAR,        -- as sent
    cause VARCHAR NOT NULL,
    impact VARCHAR NOT NULL,        -- would-block, unclear, projected, dane, none
    mx_key VARCHAR NOT NULL,        -- the MX, else "ip:" and its address, else "*"
    failed_session_count BIGINT NOT NULL,
    sending_mta_ip VARCHAR,
    receiving_mx_hostname VARCHAR,
    receiving_mx_helo VARCHAR,
    receiving_ip VARCHAR,
    additional_information VARCHAR,
    failure_reason_code VARCHAR
);

-- What was read past, in the order met.
CREATE TABLE defects (
    report BIGINT NOT NULL,
    place VARCHAR NOT NULL,         -- in the document; empty for the document as a whole
    message VARCHAR NOT NULL
);
