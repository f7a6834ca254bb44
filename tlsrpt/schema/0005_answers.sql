-- Answers have numbers, so that one can be taken back as repairs and accepted warnings can.

ALTER TABLE answers ADD COLUMN number BIGINT;
UPDATE answers SET number = rowid + 1;
ALTER TABLE answers ADD COLUMN withdrawn_at TIMESTAMP;
