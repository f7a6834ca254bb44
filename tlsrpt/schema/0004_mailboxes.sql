-- Who really sent a report, whom the operator believes, and how far mailboxes have been read. All times are UTC.

ALTER TABLE deliveries ADD COLUMN authentication VARCHAR;  -- pass, expired, fail, none, temporary-error, not-checked, vouched
ALTER TABLE deliveries ADD COLUMN authentication_reason VARCHAR;
ALTER TABLE deliveries ADD COLUMN signer VARCHAR;          -- domain whose signature is valid and aligned with From
ALTER TABLE deliveries ADD COLUMN address VARCHAR;         -- of From

ALTER TABLE reports ADD COLUMN signer VARCHAR;             -- of the delivery that it is believed for
ALTER TABLE reports ADD COLUMN address VARCHAR;

-- Reporters that the operator accepts. A row is never changed, but for being withdrawn.
CREATE TABLE accepted (
    acceptance BIGINT NOT NULL,
    signer VARCHAR NOT NULL,
    address VARCHAR NOT NULL,       -- of From; empty for every address
    note VARCHAR NOT NULL,
    name VARCHAR NOT NULL,          -- who says so
    recorded_at TIMESTAMP NOT NULL,
    withdrawn_at TIMESTAMP
);

-- How far each folder has been read: messages up to this UID are in the store, or passed over.
CREATE TABLE cursors (
    account VARCHAR NOT NULL,       -- user@host
    folder VARCHAR NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL
);

-- What each visit to a folder came to.
CREATE TABLE fetches (
    mailbox VARCHAR NOT NULL,
    folder VARCHAR NOT NULL,        -- empty if the mailbox could not be entered
    began_at TIMESTAMP NOT NULL,
    seconds DOUBLE NOT NULL,
    messages BIGINT NOT NULL,       -- looked at
    reports BIGINT NOT NULL,        -- new ones
    duplicates BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    waiting BIGINT NOT NULL,        -- messages left for the next visit
    problem VARCHAR NOT NULL        -- what went wrong, if anything did
);
