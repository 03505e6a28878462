-- +goose Up
CREATE TABLE records (
	key     BLOB    NOT NULL PRIMARY KEY,
	data    BLOB    NOT NULL,
	expires INTEGER NOT NULL, -- milliseconds since 1970
	version INTEGER NOT NULL
) STRICT;
CREATE INDEX records_expires ON records (expires);

CREATE TABLE counts (
	key   BLOB    NOT NULL PRIMARY KEY,
	n     INTEGER NOT NULL,
	until INTEGER NOT NULL -- milliseconds since 1970
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_until ON counts (until);

-- +goose Down
DROP TABLE counts;
DROP TABLE records;
