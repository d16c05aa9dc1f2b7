"""Changes of e-mail addresses, with the addresses that logins had before."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

LINKS = """
-- The address that the login gets by the link.
ALTER TABLE user_tokens ADD COLUMN email text, ADD COLUMN email_key text,
    DROP CONSTRAINT user_tokens_purpose_check,
    ADD CONSTRAINT user_tokens_purpose_check
        CHECK (purpose IN ('activation', 'reset', 'email-change', 'email-undo')),
    ADD CONSTRAINT user_tokens_address CHECK (
        (email IS NOT NULL) = (purpose IN ('email-change', 'email-undo')) AND (email_key IS NULL) = (email IS NULL));
-- Each change of the address has its own link to undo it.
DROP INDEX user_tokens_one_open;
CREATE UNIQUE INDEX user_tokens_one_open ON user_tokens (user_id, purpose)
    WHERE used_at IS NULL AND purpose NOT IN ('activation', 'email-undo');
ALTER TABLE messages DROP CONSTRAINT messages_link_purpose_check, ADD CONSTRAINT messages_link_purpose_check
    CHECK (link_purpose IN ('invitation', 'activation', 'reset', 'email-change', 'email-undo'));
-- A placeholder has no login, also if a link is used while its registration gives way to another login.
ALTER TABLE users ADD CONSTRAINT users_placeholders_are_inactive
    CHECK (email_key NOT LIKE 'STAND-IN %' OR activated_at IS NULL);
"""

ADDRESSES = """
-- The addresses that a login had, each from `since` (null: from the start) to `until`. What names the address in this
-- time names the user. The server's role only reads the table.
CREATE TABLE former_addresses (
    user_id uuid NOT NULL REFERENCES users,
    email text NOT NULL,
    email_key text NOT NULL,
    since timestamptz,
    until timestamptz NOT NULL
);
CREATE INDEX former_addresses_of_user ON former_addresses (user_id);
CREATE INDEX former_addresses_by_key ON former_addresses (email_key, until);
INSERT INTO former_addresses SELECT e.user_id, a, a, NULL, e.erased_at
    FROM erasures e, unnest(e.addresses) a WHERE e.finished_at IS NULL;

-- The time from which an address names a user: that at which another login has left it. Null if no other login had it.
CREATE FUNCTION address_since(person uuid, address_key text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT max(f.until) FROM former_addresses f WHERE f.email_key = address_key AND f.user_id <> person
$$;

-- True if an address, by its key or in lower case, named a user at an instant.
CREATE FUNCTION address_named(person uuid, address_key text, instant timestamptz) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM (
            SELECT email, email_key, since, until FROM former_addresses WHERE user_id = person
            UNION ALL SELECT email, email_key, address_since(id, email_key), 'infinity' FROM users
                WHERE id = person AND erased_at IS NULL) AS a
        WHERE address_key IN (a.email_key, lower(a.email)) AND (a.since IS NULL OR instant > a.since)
            AND instant <= a.until)
$$;

-- The keys under which events, messages and invitations name a user, or named them in the past.
CREATE FUNCTION addresses_of(person uuid) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT DISTINCT key FROM (
            SELECT email, email_key FROM former_addresses WHERE user_id = person
            UNION ALL SELECT email, email_key FROM users WHERE id = person) AS a,
        unnest(ARRAY[a.email_key, lower(a.email)]) AS key)
$$;

-- As `events_naming`, for a user and the times at which an address named them.
CREATE FUNCTION events_about(person uuid, keys text[]) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 10
    SET enable_seqscan = off AS $$
    SELECT e.id FROM events_naming(keys) AS n (id) JOIN events e ON e.id = n.id
    WHERE EXISTS (SELECT FROM event_parts(e) p WHERE p.subject = person::text
        OR p.subject = ANY (keys) AND address_named(person, p.subject, e.occurred_at))
$$;
"""

CHANGE = """
-- The only way in which the server's role changes the address of a login: by the token of a mailed link. Returns no row
-- for a link that does not work. `is_taken` if the address has a login by now; nothing is changed then. A registration
-- of the address that was never activated gives way: it becomes a placeholder, whose link gives its account to the
-- login of the address.
CREATE FUNCTION change_address(token text, link_purpose text, instant timestamptz)
    RETURNS TABLE (user_id uuid, former_email text, changed_at timestamptz, is_taken boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    link user_tokens;
    login users;
BEGIN
    SELECT * INTO link FROM user_tokens t WHERE t.token_digest = sha256(convert_to(token, 'UTF8'))
        AND t.purpose = link_purpose AND t.email IS NOT NULL;
    LOOP
        -- The order of all operations: the users, then their links.
        PERFORM FROM users u WHERE u.id = link.user_id OR u.email_key = link.email_key ORDER BY u.id FOR UPDATE;
        SELECT * INTO login FROM users u WHERE u.id = link.user_id AND u.activated_at IS NOT NULL;
        PERFORM FROM user_tokens t WHERE t.id = link.id AND t.used_at IS NULL AND t.expires_at > instant FOR UPDATE;
        IF NOT FOUND OR login.id IS NULL THEN
            RETURN;
        END IF;
        RETURN QUERY SELECT login.id, login.email, link.created_at, TRUE FROM users u
            WHERE u.email_key = link.email_key AND u.id <> login.id AND u.activated_at IS NOT NULL;
        IF FOUND THEN
            RETURN;
        END IF;
        BEGIN
            UPDATE users u SET email_key = 'STAND-IN ' || u.id, password_hash = NULL, registration_secret_digest = NULL
                WHERE u.email_key = link.email_key AND u.id <> login.id;
            UPDATE users u SET email = link.email, email_key = link.email_key WHERE u.id = login.id;
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            NULL; -- The address was registered meanwhile.
        END;
    END LOOP;
    UPDATE user_tokens t SET used_at = instant, has_worked = TRUE WHERE t.id = link.id;
    IF login.email_key <> link.email_key THEN
        -- The addresses of a change that is undone may belong to another person.
        INSERT INTO former_addresses SELECT login.id, login.email, login.email_key,
            address_since(login.id, login.email_key), instant;
        UPDATE former_addresses f SET since = greatest(f.since, link.created_at) WHERE link.purpose = 'email-undo'
            AND f.user_id = login.id AND f.until > link.created_at AND f.email_key <> link.email_key;
    END IF;
    RETURN QUERY SELECT login.id, login.email, link.created_at, FALSE;
END $$;
REVOKE EXECUTE ON FUNCTION change_address(text, text, timestamptz) FROM PUBLIC;

-- It runs with the rights of the statement. Those of `change_address` and of migrations suffice.
CREATE FUNCTION users_keep_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.erased_at IS NULL AND NOT has_table_privilege('public.events', 'UPDATE') THEN
        RAISE EXCEPTION 'the address of user % stays', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER users_keep_address BEFORE UPDATE ON users FOR EACH ROW
    WHEN (OLD.email_key <> NEW.email_key OR OLD.email <> NEW.email) EXECUTE FUNCTION users_keep_address();
"""

ERASURE = """
CREATE OR REPLACE FUNCTION users_erase_once() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.erased_at IS NOT NULL AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'user % is erased', OLD.id;
    END IF;
    IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL AND OLD.email_key NOT LIKE 'STAND-IN %' THEN
        IF NEW.password_hash IS NOT NULL OR NEW.activated_at IS NOT NULL OR NEW.email_key = OLD.email_key THEN
            RAISE EXCEPTION 'user % still has a login', OLD.id;
        END IF;
        INSERT INTO erasures VALUES (OLD.id, addresses_of(OLD.id), NEW.erased_at, NULL);
        INSERT INTO former_addresses VALUES (OLD.id, OLD.email, OLD.email_key,
            address_since(OLD.id, OLD.email_key), NEW.erased_at);
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION finish_erasure(person uuid, instant timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM former_addresses f USING erasures e WHERE f.user_id = person AND e.user_id = person;
    UPDATE erasures SET addresses = '{}', finished_at = instant WHERE user_id = person AND finished_at IS NULL
$$;
"""

REVERT_ERASURE = """
CREATE OR REPLACE FUNCTION users_erase_once() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.erased_at IS NOT NULL AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'user % is erased', OLD.id;
    END IF;
    IF NEW.erased_at IS NULL AND NEW.email_key <> OLD.email_key
        AND NOT has_table_privilege(session_user, 'public.events', 'UPDATE') -- a migration may change the form of keys
    THEN
        RAISE EXCEPTION 'the address of user % stays', OLD.id;
    END IF;
    IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL AND OLD.email_key NOT LIKE 'STAND-IN %' THEN
        IF NEW.password_hash IS NOT NULL OR NEW.activated_at IS NOT NULL OR NEW.email_key = OLD.email_key THEN
            RAISE EXCEPTION 'user % still has a login', OLD.id;
        END IF;
        INSERT INTO erasures VALUES (OLD.id, ARRAY[OLD.email_key, lower(OLD.email)], NEW.erased_at, NULL);
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION finish_erasure(person uuid, instant timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE erasures SET addresses = '{}', finished_at = instant WHERE user_id = person AND finished_at IS NULL
$$;
"""

# `forget_person` takes a fact that names an address only if the address named the person at the time of the event.
ANY_TIME = "p.subject = ANY (subjects)"
ITS_TIME = "p.subject = person::text OR p.subject = ANY (subjects) AND address_named(person, p.subject, e.occurred_at)"
REPLACE = """
DO $outer$
DECLARE
    former text := pg_get_functiondef('forget_person(uuid, uuid[], timestamptz)'::regprocedure);
    present text := replace(former, '{before}', '{after}');
BEGIN
    IF present = former THEN
        RAISE EXCEPTION 'forget_person has another form than expected';
    END IF;
    EXECUTE present;
END $outer$;
"""

# Open changes end, and former addresses are no longer known. An erasure that has not finished keeps its keys.
REVERT = f"""
{REVERT_ERASURE}
{REPLACE.format(before=ITS_TIME, after=ANY_TIME)}
DROP TRIGGER users_keep_address ON users;
DROP FUNCTION users_keep_address(), change_address(text, text, timestamptz), events_about(uuid, text[]),
    addresses_of(uuid), address_named(uuid, text, timestamptz), address_since(uuid, text);
DROP TABLE former_addresses;
ALTER TABLE users DROP CONSTRAINT users_placeholders_are_inactive;
DELETE FROM user_tokens WHERE purpose IN ('email-change', 'email-undo');
DELETE FROM messages WHERE kind IN ('email-change', 'email-change-taken', 'email-changed', 'email-change-failed',
    'email-change-undone', 'email-taken-back');
ALTER TABLE messages DROP CONSTRAINT messages_link_purpose_check, ADD CONSTRAINT messages_link_purpose_check
    CHECK (link_purpose IN ('invitation', 'activation', 'reset'));
DROP INDEX user_tokens_one_open;
CREATE UNIQUE INDEX user_tokens_one_open ON user_tokens (user_id, purpose)
    WHERE used_at IS NULL AND purpose <> 'activation';
ALTER TABLE user_tokens DROP CONSTRAINT user_tokens_address, DROP COLUMN email, DROP COLUMN email_key,
    DROP CONSTRAINT user_tokens_purpose_check,
    ADD CONSTRAINT user_tokens_purpose_check CHECK (purpose IN ('activation', 'reset'));
"""
APPLY = LINKS + ADDRESSES + CHANGE + ERASURE + REPLACE.format(before=ANY_TIME, after=ITS_TIME)


class Migration(TortoiseMigration):
    """Add links that change an address, and former addresses."""

    dependencies = [("models", "0022_registration_secrets")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
