-- What the operator says: repairs, accepted warnings, answers. A row is never changed, but for being withdrawn.
-- All times are UTC.

-- A repair that was made.
CREATE TABLE fixes (
    fix BIGINT NOT NULL,
    policy_domain VARCHAR NOT NULL,
    cause VARCHAR NOT NULL,
    mx_key VARCHAR NOT NULL,        -- as in failures; empty for every place
    fixed_at TIMESTAMP NOT NULL,
    note VARCHAR NOT NULL,
    name VARCHAR NOT NULL,          -- who says so
    recorded_at TIMESTAMP NOT NULL,
    withdrawn_at TIMESTAMP
);

-- A warning that is accepted, for as long as it is about the same.
CREATE TABLE acknowledgements (
    acknowledgement BIGINT NOT NULL,
    policy_domain VARCHAR NOT NULL,
    criterion VARCHAR NOT NULL,
    basis VARCHAR NOT NULL,         -- hash of what the warning is about
    reason VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    withdrawn_at TIMESTAMP
);

-- What no report and no look can tell. The newest answer counts.
CREATE TABLE answers (
    policy_domain VARCHAR NOT NULL,
    criterion VARCHAR NOT NULL,
    answer BOOLEAN NOT NULL,
    note VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    on_day DATE,                    -- of a planned change
    recorded_at TIMESTAMP NOT NULL
);
