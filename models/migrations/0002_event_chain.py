"""The hash chains of events, and the erasable parts of events."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

COLUMNS = """
DROP TRIGGER events_append_only ON events;
DROP FUNCTION events_are_append_only();

-- Personal data has its own columns, so that it can be erased later: the chain covers only its digest.
-- Each part contains a salt, or an address could be guessed from its digest.
ALTER TABLE events ADD COLUMN origin jsonb, ADD COLUMN origin_digest bytea,
    ADD COLUMN personal jsonb, ADD COLUMN personal_digest bytea;
UPDATE events SET
    origin = CASE WHEN ip_address IS NOT NULL THEN jsonb_build_object('ip_address', ip_address) END,
    personal = CASE WHEN before IS NOT NULL OR after IS NOT NULL THEN
        CASE WHEN before IS NULL THEN '{}' ELSE jsonb_build_object('before', before) END
        || CASE WHEN after IS NULL THEN '{}' ELSE jsonb_build_object('after', after) END
        || CASE WHEN COALESCE(before ->> 'email', after ->> 'email') IS NULL THEN '{}' ELSE jsonb_build_object(
            'addresses', array_remove(ARRAY[lower(before ->> 'email'), lower(after ->> 'email')], NULL)) END END,
    before = CASE WHEN before IS NOT NULL THEN '{}'::jsonb END,
    after = CASE WHEN after IS NOT NULL THEN '{}'::jsonb END;
ALTER TABLE events DROP COLUMN ip_address;
CREATE INDEX events_by_address ON events USING gin ((personal -> 'addresses')) WHERE personal ? 'addresses';
"""

CHAIN = """
-- The position of each event in its chain. Written when the transaction commits.
CREATE TABLE event_links (
    chain uuid NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    event_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, position),
    CONSTRAINT event_links_once UNIQUE (event_id)
);

-- The events of an account form one chain, as do the events of a user outside of accounts. Events without
-- a user are spread over 256 chains: a flood of unknown addresses must not slow them down measurably.
CREATE FUNCTION event_chain(account_id uuid, actor_id uuid, id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(account_id, actor_id, ('00000000-0000-0000-0000-0000000000' || right(id::text, 2))::uuid)
$$;

-- Encodes a field of a hashed row: null, or its length and bytes. Different rows have different encodings.
CREATE FUNCTION event_field(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value IS NULL THEN '\\x00'::bytea ELSE '\\x01'::bytea || int4send(length(value)) || value END
$$;

-- Not LANGUAGE sql: PostgreSQL would plan that again in each transaction.
CREATE FUNCTION event_hash(e events, chain uuid, place bigint, previous bytea) RETURNS bytea
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN sha256(
        event_field(previous) || uuid_send(chain) || int8send(place) || uuid_send(e.id)
        || int8send((extract(epoch FROM e.occurred_at) * 1000000)::bigint)
        || event_field(convert_to(e.type, 'UTF8')) || event_field(uuid_send(e.actor_id))
        || event_field(convert_to(e.actor_role, 'UTF8')) || event_field(uuid_send(e.account_id))
        || event_field(convert_to(e.request_id, 'UTF8')) || event_field(convert_to(e.before::text, 'UTF8'))
        || event_field(convert_to(e.after::text, 'UTF8'))
        || event_field(e.origin_digest) || event_field(e.personal_digest));
END $$;

CREATE FUNCTION events_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.origin := NEW.origin || jsonb_build_object('salt', gen_random_uuid());
    NEW.personal := NEW.personal || jsonb_build_object('salt', gen_random_uuid());
    NEW.origin_digest := sha256(convert_to(NEW.origin::text, 'UTF8'));
    NEW.personal_digest := sha256(convert_to(NEW.personal::text, 'UTF8'));
    PERFORM set_config('fullmakt.chains', concat_ws(' ', NULLIF(current_setting('fullmakt.chains', true), ''),
        hashtextextended(event_chain(NEW.account_id, NEW.actor_id, NEW.id)::text, 0)), true);
    RETURN NEW;
END $$;
CREATE TRIGGER events_sealed BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_seal();

-- Deferred to the commit, after which a transaction takes no other locks. A transaction that holds a chain
-- waits only for further chains, and all transactions lock chains in the same order, so they cannot deadlock.
-- Positions are unique, so that a chain cannot fork even without the lock.
CREATE FUNCTION events_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    chains text := current_setting('fullmakt.chains', true);
    own uuid := event_chain(NEW.account_id, NEW.actor_id, NEW.id);
    key bigint;
    last event_links;
BEGIN
    IF chains <> '' THEN
        FOR key IN SELECT DISTINCT part::bigint FROM string_to_table(chains, ' ') AS part ORDER BY 1 LOOP
            PERFORM pg_advisory_xact_lock(key);
        END LOOP;
        PERFORM set_config('fullmakt.chains', '', true);
    END IF;
    SELECT * INTO last FROM event_links WHERE chain = own ORDER BY position DESC LIMIT 1;
    INSERT INTO event_links VALUES (own, COALESCE(last.position, 0) + 1, NEW.id,
        event_hash(NEW, own, COALESCE(last.position, 0) + 1, last.hash));
    RETURN NULL;
END $$;

DO $$
DECLARE
    e events;
    own uuid;
    last event_links;
BEGIN
    UPDATE events SET origin = origin || jsonb_build_object('salt', gen_random_uuid()),
        personal = personal || jsonb_build_object('salt', gen_random_uuid());
    UPDATE events SET origin_digest = sha256(convert_to(origin::text, 'UTF8')),
        personal_digest = sha256(convert_to(personal::text, 'UTF8'));
    FOR e IN SELECT * FROM events ORDER BY id LOOP
        own := event_chain(e.account_id, e.actor_id, e.id);
        SELECT * INTO last FROM event_links WHERE chain = own ORDER BY position DESC LIMIT 1;
        INSERT INTO event_links VALUES (own, COALESCE(last.position, 0) + 1, e.id,
            event_hash(e, own, COALESCE(last.position, 0) + 1, last.hash));
    END LOOP;
END $$;
CREATE CONSTRAINT TRIGGER events_linked AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION events_link();
"""

APPEND_ONLY = """
CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only';
END $$;
-- The only allowed change: personal data is erased.
CREATE FUNCTION events_can_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['origin', 'personal'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['origin', 'personal']
        OR NEW.origin IS NOT NULL AND NEW.origin IS DISTINCT FROM OLD.origin
        OR NEW.personal IS NOT NULL AND NEW.personal IS DISTINCT FROM OLD.personal
    THEN
        RAISE EXCEPTION 'events are append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER events_append_only BEFORE DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION events_are_append_only();
CREATE TRIGGER events_only_forget BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION events_can_forget();
CREATE TRIGGER events_never_truncated BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();
CREATE TRIGGER event_links_append_only BEFORE UPDATE OR DELETE ON event_links
    FOR EACH ROW EXECUTE FUNCTION events_are_append_only();
CREATE TRIGGER event_links_never_truncated BEFORE TRUNCATE ON event_links
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();
"""

FORGET = """
ALTER TABLE users ADD COLUMN erased_at timestamptz;

-- Called by the role of the server, which cannot change events: erase the personal data of an erased user.
CREATE FUNCTION forget_person(person uuid, names text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    address text := (SELECT email_key FROM users WHERE id = person AND erased_at IS NOT NULL);
BEGIN
    IF address IS NULL THEN
        RAISE EXCEPTION 'only who erases himself is forgotten';
    END IF;
    UPDATE events SET origin = NULL WHERE actor_id = person AND origin IS NOT NULL;
    UPDATE events SET personal = NULL WHERE actor_id = person AND account_id IS NULL AND personal IS NOT NULL;
    UPDATE events SET personal = NULL WHERE personal IS NOT NULL
        AND account_id IN (SELECT id FROM accounts WHERE owner_id = person AND closed_at IS NOT NULL);
    UPDATE events SET personal = NULL WHERE personal ? 'addresses' AND personal -> 'addresses' ? address;
    UPDATE events SET personal = NULL WHERE personal IS NOT NULL
        AND (actor_id = person OR account_id IN (SELECT account_id FROM grants WHERE user_id = person))
        AND EXISTS (SELECT FROM jsonb_path_query(personal, '$.**') AS value
            WHERE jsonb_typeof(value) = 'string' AND value #>> '{}' = ANY (names));
END $$;
REVOKE EXECUTE ON FUNCTION forget_person(uuid, text[]) FROM PUBLIC;

-- An operation that runs during the erasure must not give the user a session or grant: this waits for its end.
CREATE FUNCTION erased_users_stay_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users WHERE id = NEW.user_id AND erased_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'user % is erased', NEW.user_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'erased_users_stay_away';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sessions_not_of_erased BEFORE INSERT ON sessions
    FOR EACH ROW EXECUTE FUNCTION erased_users_stay_away();
CREATE TRIGGER grants_not_to_erased BEFORE INSERT ON grants
    FOR EACH ROW WHEN (NEW.status IN ('ACTIVE', 'AWAITING_PERMISSIONS'))
    EXECUTE FUNCTION erased_users_stay_away();
CREATE TRIGGER grants_not_again_to_erased BEFORE UPDATE OF status ON grants
    FOR EACH ROW WHEN (NEW.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND OLD.status <> NEW.status)
    EXECUTE FUNCTION erased_users_stay_away();
"""

REVERT = """
DROP TRIGGER grants_not_again_to_erased ON grants;
DROP TRIGGER grants_not_to_erased ON grants;
DROP TRIGGER sessions_not_of_erased ON sessions;
DROP FUNCTION erased_users_stay_away();
DROP FUNCTION forget_person(uuid, text[]);
ALTER TABLE users DROP COLUMN erased_at;
DROP TRIGGER events_linked ON events;
DROP TRIGGER events_sealed ON events;
DROP TRIGGER events_append_only ON events;
DROP TRIGGER events_only_forget ON events;
DROP TRIGGER events_never_truncated ON events;
DROP TABLE event_links;
DROP FUNCTION events_link(), events_seal(), events_can_forget(), event_hash(events, uuid, bigint, bytea),
    event_field(bytea), event_chain(uuid, uuid, uuid);
DROP INDEX events_by_address;
ALTER TABLE events ADD COLUMN ip_address text;
UPDATE events SET ip_address = origin ->> 'ip_address',
    before = before || COALESCE(personal -> 'before', '{}'), after = after || COALESCE(personal -> 'after', '{}');
ALTER TABLE events DROP COLUMN origin, DROP COLUMN origin_digest, DROP COLUMN personal, DROP COLUMN personal_digest;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION events_are_append_only();
"""


class Migration(TortoiseMigration):
    """The hash chains of events, and the erasable parts of events."""

    dependencies = [("models", "0001_main_path")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(COLUMNS + CHAIN + APPEND_ONLY + FORGET, reverse_sql=REVERT)]  # noqa: RUF012
