-- +goose Up
-- The same tables as in ../migrations. Text compares by its bytes, as it does there.
-- Times are milliseconds since 1970, and 0 is never.
CREATE TABLE accounts (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	username     TEXT COLLATE "C" NOT NULL,
	username_key TEXT COLLATE "C" UNIQUE, -- canonical; NULL: none
	email        TEXT COLLATE "C" NOT NULL,
	email_key    TEXT COLLATE "C",          -- canonical; NULL: none. Not unique: two accounts with one address must be seen
	name         TEXT COLLATE "C" NOT NULL,
	status       TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'disabled', 'left')),
	exempt       BOOLEAN NOT NULL,
	organisation TEXT COLLATE "C" NOT NULL,
	kind         TEXT COLLATE "C" NOT NULL,
	roles        TEXT COLLATE "C" NOT NULL, -- JSON, a list of text
	attributes   TEXT COLLATE "C" NOT NULL, -- JSON, an object
	source       TEXT COLLATE "C" NOT NULL,
	external_id  TEXT COLLATE "C",
	created      BIGINT  NOT NULL,
	changed      BIGINT  NOT NULL,
	last_sign_in BIGINT  NOT NULL,
	last_method  TEXT COLLATE "C" NOT NULL,
	sort         TEXT COLLATE "C" NOT NULL, -- what lists are ordered by
	search       TEXT COLLATE "C" NOT NULL, -- username, email and name, folded
	UNIQUE (organisation, external_id)
);
CREATE INDEX accounts_email ON accounts (email_key);
CREATE INDEX accounts_list ON accounts (sort, id);

CREATE TABLE attribute_values (
	name    TEXT COLLATE "C" NOT NULL,
	value   TEXT COLLATE "C" NOT NULL,
	account TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	PRIMARY KEY (name, value, account)
);
CREATE INDEX attribute_values_account ON attribute_values (account);

CREATE TABLE links (
	issuer  TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	account TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	method  TEXT COLLATE "C" NOT NULL,
	email   TEXT COLLATE "C" NOT NULL, -- what the issuer said last
	made    BIGINT  NOT NULL,
	made_by TEXT COLLATE "C" NOT NULL,
	used    BIGINT  NOT NULL,
	PRIMARY KEY (issuer, subject),
	UNIQUE (account, method)
);

CREATE TABLE credentials (
	account       TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	password_hash TEXT COLLATE "C" NOT NULL DEFAULT '',
	totp          BYTEA,   -- sealed
	totp_pending  BYTEA,   -- sealed, until it is confirmed
	totp_step     BIGINT  NOT NULL DEFAULT 0 -- of the last code that was accepted
);

CREATE TABLE recovery_codes (
	account TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	hash    BYTEA NOT NULL,
	PRIMARY KEY (account, hash)
);

CREATE TABLE scim_groups (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	organisation TEXT COLLATE "C" NOT NULL,
	name         TEXT COLLATE "C" NOT NULL,
	name_key     TEXT COLLATE "C" NOT NULL,
	external_id  TEXT COLLATE "C",
	created      BIGINT  NOT NULL,
	changed      BIGINT  NOT NULL,
	UNIQUE (organisation, name_key),
	UNIQUE (organisation, external_id)
);

CREATE TABLE scim_members (
	group_id TEXT COLLATE "C" NOT NULL REFERENCES scim_groups (id) ON DELETE CASCADE,
	account  TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	PRIMARY KEY (group_id, account)
);
CREATE INDEX scim_members_account ON scim_members (account);

CREATE TABLE audit (
	id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	time         BIGINT  NOT NULL,
	actor        TEXT COLLATE "C" NOT NULL,
	action       TEXT COLLATE "C" NOT NULL,
	account      TEXT COLLATE "C" NOT NULL,
	method       TEXT COLLATE "C" NOT NULL,
	app          TEXT COLLATE "C" NOT NULL,
	organisation TEXT COLLATE "C" NOT NULL,
	client       TEXT COLLATE "C" NOT NULL,
	result       TEXT COLLATE "C" NOT NULL,
	detail       TEXT COLLATE "C" NOT NULL, -- JSON, an object
	request      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_time ON audit (time);
CREATE INDEX audit_account ON audit (account, id);
CREATE INDEX audit_organisation ON audit (organisation, id);
CREATE INDEX audit_request ON audit (request);

CREATE TABLE usage (
	day          TEXT COLLATE "C" NOT NULL, -- 2006-01-02, UTC
	organisation TEXT COLLATE "C" NOT NULL,
	method       TEXT COLLATE "C" NOT NULL,
	user_key     TEXT COLLATE "C" NOT NULL,
	visits       BIGINT  NOT NULL,
	first_visit  BIGINT  NOT NULL,
	last_visit   BIGINT  NOT NULL,
	PRIMARY KEY (day, organisation, method, user_key)
);

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
