-- +goose Up
-- People's own names and passwords for applications that ask for HTTP Basic.
CREATE TABLE app_logins (
	account TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	app     TEXT COLLATE "C" NOT NULL,
	sealed  BYTEA  NOT NULL, -- for this account and app alone
	changed BIGINT NOT NULL,
	PRIMARY KEY (account, app)
);

-- +goose Down
DROP TABLE app_logins;
