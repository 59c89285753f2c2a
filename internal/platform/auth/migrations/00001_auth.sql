-- +goose Up

-- Times are UTC microseconds, 0 for never. Texts are '' where there is nothing.

-- Group companies and departments, a tree: parent is '' at the top.
CREATE TABLE auth_unit (
    id         TEXT   NOT NULL PRIMARY KEY,
    parent     TEXT   NOT NULL,
    code       TEXT   NOT NULL UNIQUE,
    name       TEXT   NOT NULL,
    name_en    TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX auth_unit_parent ON auth_unit (parent);

-- People and service accounts. email is what one signs in with, in its one form; '' once personal data was deleted.
-- issuer and subject name the person at the OpenID provider, external_id in the directory that SCIM speaks for.
CREATE TABLE auth_person (
    id              TEXT   NOT NULL PRIMARY KEY,
    kind            TEXT   NOT NULL,
    email           TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    sort_name       TEXT   NOT NULL,
    unit            TEXT   NOT NULL,
    state           TEXT   NOT NULL,
    lang            TEXT   NOT NULL,
    zone            TEXT   NOT NULL,
    issuer          TEXT   NOT NULL,
    subject         TEXT   NOT NULL,
    external_id     TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    changed_at      BIGINT NOT NULL,
    last_sign_in_at BIGINT NOT NULL,
    version         BIGINT NOT NULL
);
CREATE UNIQUE INDEX auth_person_email ON auth_person (email) WHERE email <> '';
CREATE UNIQUE INDEX auth_person_subject ON auth_person (issuer, subject) WHERE subject <> '';
CREATE UNIQUE INDEX auth_person_external ON auth_person (external_id) WHERE external_id <> '';
CREATE INDEX auth_person_sort ON auth_person (sort_name, id);
CREATE INDEX auth_person_unit ON auth_person (unit);

-- origin says who gave the role: local, oidc or scim. The same role may come from several.
CREATE TABLE auth_role (
    id     TEXT   NOT NULL PRIMARY KEY,
    person TEXT   NOT NULL REFERENCES auth_person (id),
    role   TEXT   NOT NULL,
    origin TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    UNIQUE (person, role, origin)
);
CREATE INDEX auth_role_role ON auth_role (role, person);

-- One row that whoever takes a role or a state away changes first, so that two cannot each take "the other" admin's.
CREATE TABLE auth_guard (id TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL);
INSERT INTO auth_guard (id, n) VALUES ('admins', 0);

-- Argon2id in PHC form.
CREATE TABLE auth_password (
    person     TEXT   NOT NULL PRIMARY KEY REFERENCES auth_person (id),
    hash       TEXT   NOT NULL,
    changed_at BIGINT NOT NULL
);

-- One-time codes (RFC 6238). last_step is the time step of the last code that was taken: none of it or before is taken again.
CREATE TABLE auth_totp (
    person     TEXT   NOT NULL PRIMARY KEY REFERENCES auth_person (id),
    secret     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    last_step  BIGINT NOT NULL
);

CREATE TABLE auth_recovery (
    id         TEXT   NOT NULL PRIMARY KEY,
    person     TEXT   NOT NULL REFERENCES auth_person (id),
    hash       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX auth_recovery_person ON auth_recovery (person, hash);

-- Passkeys. credential is WebAuthn's credential record as JSON; what an authenticator counts up stands beside it.
CREATE TABLE auth_passkey (
    id            TEXT   NOT NULL PRIMARY KEY,
    person        TEXT   NOT NULL REFERENCES auth_person (id),
    credential_id TEXT   NOT NULL UNIQUE,
    name          TEXT   NOT NULL,
    credential    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL,
    sign_count    BIGINT NOT NULL,
    backed_up     BIGINT NOT NULL,
    cloned_at     BIGINT NOT NULL
);
CREATE INDEX auth_passkey_person ON auth_passkey (person);

-- Signed-in browsers. hash is the SHA-256 of the cookie's token.
CREATE TABLE auth_session (
    hash       TEXT   NOT NULL PRIMARY KEY,
    id         TEXT   NOT NULL UNIQUE,
    person     TEXT   NOT NULL REFERENCES auth_person (id),
    method     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    factor_at  BIGINT NOT NULL,
    stepped_at BIGINT NOT NULL,
    address    TEXT   NOT NULL,
    agent      TEXT   NOT NULL
);
CREATE INDEX auth_session_person ON auth_session (person, seen_at);
CREATE INDEX auth_session_seen ON auth_session (seen_at);

-- What is under way and ends within minutes: a sign-in whose second factor is still due, a passkey's challenge. person is
-- '' where nobody is known yet.
CREATE TABLE auth_pending (
    hash       TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    person     TEXT   NOT NULL,
    data       TEXT   NOT NULL,
    tries      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX auth_pending_expires ON auth_pending (expires_at);

-- One-time links. bound is what the person's credentials and state were: the link ends when they change.
CREATE TABLE auth_ticket (
    id         TEXT   NOT NULL PRIMARY KEY,
    hash       TEXT   NOT NULL UNIQUE,
    kind       TEXT   NOT NULL,
    person     TEXT   NOT NULL,
    bound      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX auth_ticket_person ON auth_ticket (person, kind);
CREATE INDEX auth_ticket_expires ON auth_ticket (expires_at);

-- API tokens. permissions is a JSON list.
CREATE TABLE auth_token (
    id           TEXT   NOT NULL PRIMARY KEY,
    person       TEXT   NOT NULL REFERENCES auth_person (id),
    name         TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    permissions  TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    last_address TEXT   NOT NULL
);
CREATE INDEX auth_token_person ON auth_token (person);

-- How many guesses are left, in thousandths, as it was at a time. id names an account or a device by a keyed hash.
CREATE TABLE auth_budget (
    id     TEXT   NOT NULL PRIMARY KEY,
    millis BIGINT NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX auth_budget_at ON auth_budget (at);

-- Keys of our own: what signs the device cookie.
CREATE TABLE auth_key (
    id     TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL
);
