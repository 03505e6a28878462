-- +goose Up
-- People's own names and passwords for applications that ask for HTTP Basic.
CREATE TABLE app_logins (
	account TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	app     TEXT    NOT NULL,
	sealed  BLOB    NOT NULL, -- for this account and app alone
	changed INTEGER NOT NULL,
	PRIMARY KEY (account, app)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE app_logins;
