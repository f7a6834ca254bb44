-- What domains publish, as it was seen: when somebody looked, and what was found for how long. A series is a
-- domain seen from one place with one set of settings. All times are UTC.

-- One row per look.
CREATE TABLE checks (
    policy_domain VARCHAR NOT NULL,
    vantage VARCHAR NOT NULL,       -- where from
    settings VARCHAR NOT NULL,      -- JSON of what the operator set, empty if nothing
    checked_at TIMESTAMP NOT NULL,
    loaded_at TIMESTAMP NOT NULL,   -- when it was stored
    source VARCHAR NOT NULL         -- the file that it came from, empty for our own look
);

-- One row per thing for as long as each look of its series found it the same.
CREATE TABLE observations (
    observation BIGINT NOT NULL,
    policy_domain VARCHAR NOT NULL,
    vantage VARCHAR NOT NULL,
    settings VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,          -- mta-sts-record, tlsrpt-record, mx, host, tlsa, policy, mx-tls
    subject VARCHAR NOT NULL,       -- a name, or a host and its address
    facts VARCHAR NOT NULL,         -- JSON: members in order, without those that have their defaults
    ttl BIGINT,                     -- seconds left in a cache; this and the next two as of the last look
    seconds DOUBLE,                 -- that it took
    banner VARCHAR NOT NULL,
    first_seen TIMESTAMP NOT NULL,  -- the first look that found it so
    last_seen TIMESTAMP NOT NULL    -- the last one
);
