-- +goose Up
CREATE TABLE record_tags (
	tag BLOB NOT NULL,
	key BLOB NOT NULL REFERENCES records (key) ON DELETE CASCADE,
	PRIMARY KEY (tag, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_tags_key ON record_tags (key);

-- +goose Down
DROP TABLE record_tags;
