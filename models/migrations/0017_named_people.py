"""Events and messages record whom they name, erasures are events, and links record their transaction."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

ERASURES = """
-- The people who are being erased or were erased. The trigger below writes a row when a login is erased.
CREATE TABLE erasures (
    user_id uuid PRIMARY KEY REFERENCES users,
    -- The keys under which events and messages name the person. Empty when the erasure is finished.
    addresses text[] NOT NULL,
    erased_at timestamptz NOT NULL,
    finished_at timestamptz CHECK ((finished_at IS NULL) = (cardinality(addresses) > 0))
);
CREATE INDEX erasures_open ON erasures (erased_at) WHERE finished_at IS NULL;
INSERT INTO erasures SELECT id, '{}', erased_at, erased_at FROM users
    WHERE erased_at IS NOT NULL AND email_key NOT LIKE 'STAND-IN %';

-- A login ends once and for ever. Its address changes only then: otherwise a role that may write to `users` could
-- erase what names an address by lending that address to another user.
CREATE FUNCTION users_erase_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
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
CREATE TRIGGER users_erased_once BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION users_erase_once();

-- As erased_users_stay_away for grants: an operation that runs during the erasure must not make the user an owner.
CREATE FUNCTION erased_users_own_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users WHERE id = NEW.owner_id AND erased_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'user % is erased', NEW.owner_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'erased_users_stay_away';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_not_of_erased BEFORE INSERT OR UPDATE OF owner_id ON accounts
    FOR EACH ROW EXECUTE FUNCTION erased_users_own_nothing();
"""

PARTS = """
-- The personal part of an event has `before` and `after`, whose facts are texts; `salts`, one for each fact; `named`,
-- the facts that name a user or an address, by the id or key, if that is not the event's account or, outside of
-- accounts, its actor; and `digests` of erased facts. The digest of the part is that of the digests of all facts, so
-- that a fact can be erased and the others are still proved. A part without `salts` is older: it has one salt, and is
-- erased as a whole.
CREATE FUNCTION event_paths(personal jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY(SELECT side || '.' || fact FROM unnest(ARRAY['before', 'after']) AS side,
        jsonb_object_keys(CASE jsonb_typeof(personal -> side) WHEN 'object' THEN personal -> side ELSE '{}' END) fact)
$$;

CREATE FUNCTION event_subject(personal jsonb, path text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT min(key) FROM jsonb_each(COALESCE(personal -> 'named', '{}')) WHERE value ? path
$$;

-- What a fact names: '' for the account or the actor, 'address', or the id of a user. It stays after the erasure.
CREATE FUNCTION event_fact_digest(personal jsonb, path text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    subject text := COALESCE(event_subject(personal, path), '');
BEGIN
    RETURN jsonb_build_object('about', CASE WHEN subject LIKE '%@%' THEN 'address' ELSE subject END,
        'digest', encode(sha256(convert_to(concat_ws(E'\n', COALESCE(personal -> 'salts' ->> path, ''), subject,
            (personal -> split_part(path, '.', 1) -> substr(path, strpos(path, '.') + 1))::text), 'UTF8')), 'hex'));
END $$;

CREATE FUNCTION event_personal_digest(personal jsonb) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN NOT personal ? 'salts' THEN sha256(convert_to(personal::text, 'UTF8')) ELSE (
        SELECT sha256(convert_to(COALESCE(string_agg(
            concat_ws(' ', path, fact ->> 'about', fact ->> 'digest'), E'\\n' ORDER BY path COLLATE "C"), ''), 'UTF8'))
        FROM (SELECT path, event_fact_digest(personal, path) AS fact FROM unnest(event_paths(personal)) AS path
            UNION ALL SELECT key, value FROM jsonb_each(COALESCE(personal -> 'digests', '{}'))) AS facts) END;
END $$;

CREATE OR REPLACE FUNCTION events_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The role of the server lacks the privilege. Only forget_person, which runs as the owner, records erasures.
    IF NEW.type IN ('account:data:erase', 'user:data:erase') AND NOT has_table_privilege('public.events', 'UPDATE') THEN
        RAISE EXCEPTION 'only forget_person records erasures';
    END IF;
    NEW.origin := NEW.origin || jsonb_build_object('salt', gen_random_uuid());
    IF NEW.personal IS NOT NULL THEN
        NEW.personal := (NEW.personal - 'digests') || jsonb_build_object('salts', COALESCE(
            (SELECT jsonb_object_agg(path, gen_random_uuid()) FROM unnest(event_paths(NEW.personal)) AS path), '{}'));
        NEW.personal_digest := event_personal_digest(NEW.personal);
    ELSE
        NEW.personal_digest := NULL;
    END IF;
    NEW.origin_digest := sha256(convert_to(NEW.origin::text, 'UTF8'));
    PERFORM set_config('fullmakt.chains', concat_ws(' ', NULLIF(current_setting('fullmakt.chains', true), ''),
        hashtextextended(event_chain(NEW.account_id, NEW.actor_id, NEW.id)::text, 0)), true);
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION events_can_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['origin', 'personal'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['origin', 'personal']
        OR NEW.origin IS NOT NULL AND NEW.origin IS DISTINCT FROM OLD.origin
        OR NEW.personal IS NULL AND OLD.personal ? 'salts'
        OR NEW.personal IS DISTINCT FROM OLD.personal AND NEW.personal IS NOT NULL
            AND event_personal_digest(NEW.personal) IS DISTINCT FROM OLD.personal_digest
    THEN
        RAISE EXCEPTION 'events are append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE INDEX events_by_named ON events USING gin ((personal -> 'named')) WHERE personal ? 'named';
"""

FORGET = """
-- The parts that an event still has, each with the person, account or address that it names. In an older event, the
-- addresses of an invitation name the invitee, and all other texts name the account or the actor.
CREATE FUNCTION event_parts(e events) RETURNS TABLE (part text, subject text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT 'origin', e.actor_id::text WHERE e.origin IS NOT NULL;
    IF e.personal ? 'salts' THEN
        RETURN QUERY SELECT path, COALESCE(event_subject(e.personal, path), COALESCE(e.account_id, e.actor_id)::text)
            FROM unnest(event_paths(e.personal)) AS path;
    ELSIF e.personal ? 'addresses' AND e.type LIKE '%account:invitation:%' THEN
        RETURN QUERY SELECT 'personal', value FROM jsonb_array_elements_text(e.personal -> 'addresses');
    ELSIF e.personal IS NOT NULL THEN
        RETURN QUERY SELECT 'personal', COALESCE(e.account_id, e.actor_id)::text;
    END IF;
END $$;

-- The personal part of an event without some of its facts, whose digests stay.
CREATE FUNCTION event_without(personal jsonb, parts text[]) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    path text;
    rest jsonb := personal;
BEGIN
    IF 'personal' = ANY (parts) THEN
        RETURN NULL;
    END IF;
    FOREACH path IN ARRAY parts LOOP
        CONTINUE WHEN path = 'origin';
        rest := (rest || jsonb_build_object('digests', COALESCE(rest -> 'digests', '{}')
                || jsonb_build_object(path, event_fact_digest(personal, path))))
            #- ARRAY[split_part(path, '.', 1), substr(path, strpos(path, '.') + 1)]
            #- ARRAY['salts', path];
    END LOOP;
    RETURN (rest - 'named') || jsonb_strip_nulls(jsonb_build_object('named', (
        SELECT jsonb_object_agg(key, paths) FROM (
            SELECT key, (SELECT jsonb_agg(p) FROM jsonb_array_elements_text(value) AS p WHERE p <> ALL (parts)) AS paths
            FROM jsonb_each(COALESCE(rest -> 'named', '{}'))) AS named
        WHERE paths IS NOT NULL)));
END $$;

CREATE FUNCTION erasure_event_id(chain_key uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14, 17) || right(chain_key::text, 2))::uuid
$$;

-- Called by the role of the server, which cannot change events. Takes from the events what names a person who is being
-- erased, and records in each account, or in the person's own chain, what it took. Returns the number of events.
DROP FUNCTION forget_person(uuid, text[]);
CREATE FUNCTION forget_person(person uuid, event_ids uuid[], instant timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    erasure erasures;
    subjects text[];
    e events;
    parts text[];
    taken jsonb := '{}';
    changed integer := 0;
    key text;
BEGIN
    SELECT * INTO erasure FROM erasures WHERE user_id = person AND finished_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'user % is not being erased', person;
    END IF;
    subjects := person::text || erasure.addresses;
    -- The address may belong to another person later.
    FOR e IN SELECT * FROM events WHERE id = ANY (event_ids) AND occurred_at <= erasure.erased_at
        AND (account_id IS NOT NULL OR actor_id = person) ORDER BY id FOR UPDATE
    LOOP
        parts := ARRAY(SELECT DISTINCT p.part FROM event_parts(e) p WHERE p.subject = ANY (subjects)
            OR p.subject = e.account_id::text AND EXISTS (
                SELECT FROM accounts a WHERE a.id = e.account_id AND a.owner_id = person AND a.closed_at IS NOT NULL)
            ORDER BY 1);
        CONTINUE WHEN parts = '{}';
        UPDATE events SET origin = CASE WHEN 'origin' = ANY (parts) THEN NULL ELSE origin END,
            personal = event_without(personal, parts) WHERE id = e.id;
        key := COALESCE(e.account_id::text, '');
        taken := taken || jsonb_build_object(key,
            COALESCE(taken -> key, '{}') || jsonb_build_object(e.id::text, to_jsonb(parts)));
        changed := changed + 1;
    END LOOP;
    INSERT INTO events (id, type, occurred_at, actor_id, account_id, after)
        SELECT erasure_event_id(gen_random_uuid()),
            CASE chain WHEN '' THEN 'user:data:erase' ELSE 'account:data:erase' END, instant, person,
            NULLIF(chain, '')::uuid, jsonb_build_object('parts', part)
        FROM jsonb_each(taken) AS t (chain, part);
    RETURN changed;
END $$;
REVOKE EXECUTE ON FUNCTION forget_person(uuid, uuid[], timestamptz) FROM PUBLIC;

-- Ends an erasure.
CREATE FUNCTION finish_erasure(person uuid, instant timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE erasures SET addresses = '{}', finished_at = instant WHERE user_id = person AND finished_at IS NULL
$$;
REVOKE EXECUTE ON FUNCTION finish_erasure(uuid, timestamptz) FROM PUBLIC;
"""

COLUMNS = """
-- The transaction of each link, by which the heads that changed are found. See models/audit/anchor.py.
ALTER TABLE event_links ADD COLUMN transaction bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX event_links_by_transaction ON event_links (transaction);

-- The parameters of a message that name a person, account or address, by the id or the key of the address.
ALTER TABLE messages ADD COLUMN named jsonb NOT NULL DEFAULT '{}';
"""

# Older messages: an address names itself. A name is that of the only user or account with this name that the account of
# the message had to do with. The other parameters stay as they are.
NAMES_IN_MESSAGES = """
CREATE FUNCTION pg_temp.subjects_of(m messages, param text) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    value text := m.params ->> param;
    keys text[] := '{}';
BEGIN
    IF param LIKE '%\\_email' THEN
        RETURN ARRAY[lower(value)];
    ELSIF param = 'requester_name' THEN
        RETURN ARRAY[lower(m.params ->> 'requester_email')];
    ELSIF param = 'account_name' THEN
        RETURN ARRAY[m.account_id::text];
    ELSIF param = 'message' THEN
        -- The user who wrote the text, and the receiver of an invitation.
        RETURN COALESCE(ARRAY[lower(m.params ->> 'requester_email')], '{}') || lower(m.to_address)
            || pg_temp.subjects_of(m, 'inviter_name');
    ELSIF param IN ('bureau_name', 'client_name', 'asker_name') THEN
        keys := ARRAY(SELECT DISTINCT a.id::text FROM accounts a WHERE a.name = value AND a.id IN (
            SELECT m.account_id UNION SELECT e.client_id FROM engagements e WHERE e.bureau_id = m.account_id
            UNION SELECT e.bureau_id FROM engagements e WHERE e.client_id = m.account_id));
    ELSIF param IN ('inviter_name', 'consultant_name', 'holder_name', 'owner_name', 'receiver_name') THEN
        keys := ARRAY(SELECT DISTINCT u.id::text FROM grants g JOIN users u ON u.id = g.user_id
            WHERE u.name = value AND g.account_id IN (
                SELECT m.account_id UNION SELECT e.client_id FROM engagements e WHERE e.bureau_id = m.account_id));
    END IF;
    RETURN CASE WHEN cardinality(keys) = 1 THEN keys ELSE '{}' END;
END $$;
UPDATE messages t SET named = n.named FROM (
    SELECT id, jsonb_object_agg(subject, params) AS named FROM (
        SELECT m.id, subject, jsonb_agg(DISTINCT p) AS params
        FROM messages m, jsonb_object_keys(m.params) AS p, unnest(pg_temp.subjects_of(m, p)) AS subject
        WHERE m.params ->> p IS NOT NULL AND subject IS NOT NULL GROUP BY 1, 2) AS subjects
    GROUP BY id) AS n WHERE n.id = t.id;
DROP FUNCTION pg_temp.subjects_of(messages, text);
"""

INDEXES = """
CREATE INDEX messages_by_receiver ON messages (lower(to_address), id);
CREATE INDEX messages_by_named ON messages USING gin (named) WHERE named <> '{}';
CREATE INDEX invitations_by_email ON invitations (email_key, id);
CREATE INDEX invitations_by_inviter ON invitations (invited_by_id, id);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX user_tokens_by_user ON user_tokens (user_id, id);
CREATE INDEX grants_by_giver ON grants (granted_by_id, id) WHERE granted_by_id IS NOT NULL;
CREATE INDEX organization_numbers_by_owner ON organization_numbers (owner_id);
CREATE INDEX bank_accounts_by_owner ON bank_accounts (owner_id);
CREATE INDEX ownership_transfers_by_owner ON ownership_transfers (owner_id, id);
CREATE INDEX ownership_transfers_by_receiver ON ownership_transfers (receiver_id, id);
CREATE INDEX subscription_entries_by_actor ON subscription_entries (actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX users_placeholders ON users (lower(email)) WHERE email_key LIKE 'STAND-IN %';
"""

# Without the setting, the planner expects a hundredth of all rows, and reads the whole table.
NAMING = """
CREATE FUNCTION events_naming(keys text[]) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 10 SET enable_seqscan = off AS $$
    SELECT id FROM events WHERE personal ? 'named' AND personal -> 'named' ?| keys
    UNION SELECT id FROM events WHERE personal ? 'addresses' AND personal -> 'addresses' ?| keys
$$;
CREATE FUNCTION messages_naming(keys text[]) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 10 SET enable_seqscan = off AS
$$
    SELECT id FROM messages WHERE named <> '{}' AND named ?| keys
$$;
"""

# Erasures before this migration were not recorded. Each chain gets an event that lists the parts which are missing now.
# The event says that the migration wrote it. `verify-events` accepts it only in the first place after the migration.
RECORDS = """
INSERT INTO events (id, type, occurred_at, actor_id, account_id, after)
    SELECT erasure_event_id(chain), CASE WHEN account_id IS NULL THEN 'user:data:erase' ELSE 'account:data:erase' END,
        now(), CASE WHEN account_id IS NULL THEN actor_id END, account_id,
        jsonb_build_object('migrated', true, 'parts', jsonb_object_agg(id, parts))
    FROM (
        SELECT id, account_id, CASE WHEN account_id IS NULL THEN actor_id END AS actor_id,
            event_chain(account_id, actor_id, id) AS chain, to_jsonb(
                CASE WHEN origin IS NULL AND origin_digest IS NOT NULL THEN ARRAY['origin'] ELSE '{}' END
                || CASE WHEN personal IS NULL AND personal_digest IS NOT NULL THEN ARRAY['personal'] ELSE '{}' END)
                AS parts
        FROM events WHERE origin IS NULL AND origin_digest IS NOT NULL
            OR personal IS NULL AND personal_digest IS NOT NULL) AS missing
    GROUP BY chain, account_id, actor_id;
"""

# Personal parts get the form and the digest of before, and the chains are sealed again.
REVERT = """
DROP INDEX users_placeholders, subscription_entries_by_actor, ownership_transfers_by_receiver,
    ownership_transfers_by_owner, bank_accounts_by_owner, organization_numbers_by_owner, grants_by_giver,
    user_tokens_by_user, sessions_by_user, invitations_by_inviter, invitations_by_email, messages_by_receiver,
    events_by_named;
ALTER TABLE messages DROP COLUMN named;
ALTER TABLE event_links DROP COLUMN transaction;
DROP TRIGGER accounts_not_of_erased ON accounts;
DROP TRIGGER users_erased_once ON users;
DROP FUNCTION erased_users_own_nothing(), users_erase_once(), finish_erasure(uuid, timestamptz),
    events_naming(text[]), messages_naming(text[]), forget_person(uuid, uuid[], timestamptz), erasure_event_id(uuid),
    event_without(jsonb, text[]), event_parts(events);
DROP TABLE erasures;
ALTER TABLE events DISABLE TRIGGER USER;
ALTER TABLE event_links DISABLE TRIGGER USER;
UPDATE events SET personal = NULLIF((personal - ARRAY['salts', 'named', 'digests']) || jsonb_strip_nulls(
        jsonb_build_object('salt', gen_random_uuid(), 'addresses', (SELECT jsonb_agg(DISTINCT value)
            FROM jsonb_object_keys(COALESCE(personal -> 'named', '{}')) AS value WHERE value LIKE '%@%'))), '{}')
    WHERE personal ? 'salts' AND event_paths(personal) <> '{}';
UPDATE events SET personal = NULL WHERE personal ? 'salts';
UPDATE events SET personal_digest = sha256(convert_to(personal::text, 'UTF8')) WHERE personal IS NOT NULL;
DO $$
DECLARE
    link event_links;
    previous bytea;
BEGIN
    FOR link IN SELECT * FROM event_links ORDER BY chain, position LOOP
        previous := (SELECT event_hash(e, link.chain, link.position, CASE WHEN link.position > 1 THEN previous END)
            FROM events e WHERE e.id = link.event_id);
        UPDATE event_links SET hash = previous WHERE chain = link.chain AND position = link.position;
    END LOOP;
END $$;
ALTER TABLE events ENABLE TRIGGER USER;
ALTER TABLE event_links ENABLE TRIGGER USER;
DROP FUNCTION event_personal_digest(jsonb), event_fact_digest(jsonb, text), event_subject(jsonb, text),
    event_paths(jsonb);
CREATE OR REPLACE FUNCTION events_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.origin := NEW.origin || jsonb_build_object('salt', gen_random_uuid());
    NEW.personal := NEW.personal || jsonb_build_object('salt', gen_random_uuid());
    NEW.origin_digest := sha256(convert_to(NEW.origin::text, 'UTF8'));
    NEW.personal_digest := sha256(convert_to(NEW.personal::text, 'UTF8'));
    PERFORM set_config('fullmakt.chains', concat_ws(' ', NULLIF(current_setting('fullmakt.chains', true), ''),
        hashtextextended(event_chain(NEW.account_id, NEW.actor_id, NEW.id)::text, 0)), true);
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION events_can_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['origin', 'personal'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['origin', 'personal']
        OR NEW.origin IS NOT NULL AND NEW.origin IS DISTINCT FROM OLD.origin
        OR NEW.personal IS NOT NULL AND NEW.personal IS DISTINCT FROM OLD.personal
    THEN
        RAISE EXCEPTION 'events are append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION forget_person(person uuid, names text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    address text := (SELECT email_key FROM users WHERE id = person AND erased_at IS NOT NULL);
BEGIN
    IF address IS NULL THEN
        RAISE EXCEPTION 'user % is not erased', person;
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
"""


APPLY = (ERASURES, PARTS, FORGET, COLUMNS, NAMES_IN_MESSAGES, INDEXES, NAMING, RECORDS)


class Migration(TortoiseMigration):
    """Record whom events and messages name, and what erasures take."""

    dependencies = [("models", "0016_registered_numbers")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL("".join(APPLY), reverse_sql=REVERT)]  # noqa: RUF012
