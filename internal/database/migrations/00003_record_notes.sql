-- +goose Up
ALTER TABLE records ADD COLUMN note BLOB NOT NULL DEFAULT x'';

-- +goose Down
ALTER TABLE records DROP COLUMN note;
