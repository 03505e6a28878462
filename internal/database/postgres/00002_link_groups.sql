-- +goose Up
-- What tells the groups that the issuer said last from others; '': not known.
ALTER TABLE links ADD COLUMN groups_sum TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE links DROP COLUMN groups_sum;
