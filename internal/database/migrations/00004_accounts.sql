-- +goose Up
-- The same tables as in ../postgres. Times are milliseconds since 1970, and 0 is never.
CREATE TABLE accounts (
	id           TEXT    NOT NULL PRIMARY KEY,
	username     TEXT    NOT NULL,
	username_key TEXT    UNIQUE, -- canonical; NULL: none
	email        TEXT    NOT NULL,
	email_key    TEXT,           -- canonical; NULL: none. Not unique: two accounts with one address must be seen
	name         TEXT    NOT NULL,
	status       TEXT    NOT NULL CHECK (status IN ('active', 'disabled', 'left')),
	exempt       INTEGER NOT NULL,
	organisation TEXT    NOT NULL,
	kind         TEXT    NOT NULL,
	roles        TEXT    NOT NULL, -- JSON, a list of text
	attributes   TEXT    NOT NULL, -- JSON, an object
	source       TEXT    NOT NULL,
	external_id  TEXT,
	created      INTEGER NOT NULL,
	changed      INTEGER NOT NULL,
	last_sign_in INTEGER NOT NULL,
	last_method  TEXT    NOT NULL,
	sort         TEXT    NOT NULL, -- what lists are ordered by
	search       TEXT    NOT NULL, -- username, email and name, folded
	UNIQUE (organisation, external_id)
) STRICT;
CREATE INDEX accounts_email ON accounts (email_key);
-- Holds all that a search looks at, so that it reads no row it does not return.
CREATE INDEX accounts_list ON accounts (sort, id, organisation, kind, status, search);

CREATE TABLE attribute_values (
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,
	account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	PRIMARY KEY (name, value, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX attribute_values_account ON attribute_values (account);

CREATE TABLE links (
	issuer  TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	account TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	method  TEXT    NOT NULL,
	email   TEXT    NOT NULL, -- what the issuer said last
	made    INTEGER NOT NULL,
	made_by TEXT    NOT NULL,
	used    INTEGER NOT NULL,
	PRIMARY KEY (issuer, subject),
	UNIQUE (account, method)
) STRICT;

CREATE TABLE credentials (
	account       TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	password_hash TEXT    NOT NULL DEFAULT '',
	totp          BLOB,   -- sealed
	totp_pending  BLOB,   -- sealed, until it is confirmed
	totp_step     INTEGER NOT NULL DEFAULT 0 -- of the last code that was accepted
) STRICT;

CREATE TABLE recovery_codes (
	account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	hash    BLOB NOT NULL,
	PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE scim_groups (
	id           TEXT    NOT NULL PRIMARY KEY,
	organisation TEXT    NOT NULL,
	name         TEXT    NOT NULL,
	name_key     TEXT    NOT NULL,
	external_id  TEXT,
	created      INTEGER NOT NULL,
	changed      INTEGER NOT NULL,
	UNIQUE (organisation, name_key),
	UNIQUE (organisation, external_id)
) STRICT;

CREATE TABLE scim_members (
	group_id TEXT NOT NULL REFERENCES scim_groups (id) ON DELETE CASCADE,
	account  TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	PRIMARY KEY (group_id, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX scim_members_account ON scim_members (account);

CREATE TABLE audit (
	id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	time         INTEGER NOT NULL,
	actor        TEXT    NOT NULL,
	action       TEXT    NOT NULL,
	account      TEXT    NOT NULL,
	method       TEXT    NOT NULL,
	app          TEXT    NOT NULL,
	organisation TEXT    NOT NULL,
	client       TEXT    NOT NULL,
	result       TEXT    NOT NULL,
	detail       TEXT    NOT NULL, -- JSON, an object
	request      TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_time ON audit (time);
CREATE INDEX audit_account ON audit (account, id);
CREATE INDEX audit_organisation ON audit (organisation, id);
CREATE INDEX audit_request ON audit (request);

CREATE TABLE usage (
	day          TEXT    NOT NULL, -- 2006-01-02, UTC
	organisation TEXT    NOT NULL,
	method       TEXT    NOT NULL,
	user_key     TEXT    NOT NULL,
	visits       INTEGER NOT NULL,
	first_visit  INTEGER NOT NULL,
	last_visit   INTEGER NOT NULL,
	PRIMARY KEY (day, organisation, method, user_key)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE usage;
DROP TABLE audit;
DROP TABLE scim_members;
DROP TABLE scim_groups;
DROP TABLE recovery_codes;
DROP TABLE credentials;
DROP TABLE links;
DROP TABLE attribute_values;
DROP TABLE accounts;
