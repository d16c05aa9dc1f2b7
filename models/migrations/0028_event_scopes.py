"""The creator of the row that an event is about, for types of events with a row scope."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

HASH = """
-- The creator is hashed only if there is one, so that the hashes of older events stay.
CREATE OR REPLACE FUNCTION event_hash(e events, chain uuid, place bigint, previous bytea) RETURNS bytea
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN sha256(
        event_field(previous) || uuid_send(chain) || int8send(place) || uuid_send(e.id)
        || int8send((extract(epoch FROM e.occurred_at) * 1000000)::bigint)
        || event_field(convert_to(e.type, 'UTF8')) || event_field(uuid_send(e.actor_id))
        || event_field(convert_to(e.actor_role, 'UTF8')) || event_field(uuid_send(e.account_id))
        || event_field(convert_to(e.request_id, 'UTF8')) || event_field(convert_to(e.before::text, 'UTF8'))
        || event_field(convert_to(e.after::text, 'UTF8'))
        || event_field(e.origin_digest) || event_field(e.personal_digest){creator});
END $$;
"""
CREATOR = """
        || CASE WHEN e.creator_id IS NULL THEN '' ELSE event_field(uuid_send(e.creator_id)) END"""

APPLY = f"""
ALTER TABLE events ADD COLUMN creator_id uuid REFERENCES users;
ALTER TABLE events ALTER creator_id SET (n_distinct = 1000);
-- The events that every reader may read, and those about rows of one creator. No list reads events that it hides.
CREATE INDEX events_without_creator ON events (account_id, id) WHERE creator_id IS NULL;
CREATE INDEX events_by_creator ON events (account_id, creator_id, type, id) WHERE creator_id IS NOT NULL;
-- The accounts in which a user changed rows of other users.
CREATE INDEX events_on_rows_of_others ON events (actor_id, account_id) WHERE creator_id <> actor_id;
{HASH.format(creator=CREATOR)}
"""
# The chains are sealed again without the creators.
REVERT = f"""
{HASH.format(creator="")}
ALTER TABLE event_links DISABLE TRIGGER USER;
DO $$
DECLARE
    link event_links;
    previous bytea;
BEGIN
    FOR link IN SELECT * FROM event_links WHERE chain IN (
        SELECT account_id FROM events WHERE creator_id IS NOT NULL) ORDER BY chain, position
    LOOP
        previous := (SELECT event_hash(e, link.chain, link.position, CASE WHEN link.position > 1 THEN previous END)
            FROM events e WHERE e.id = link.event_id);
        UPDATE event_links SET hash = previous WHERE chain = link.chain AND position = link.position;
    END LOOP;
END $$;
ALTER TABLE event_links ENABLE TRIGGER USER;
ALTER TABLE events DROP COLUMN creator_id;
"""


class Migration(TortoiseMigration):
    """Add the creator and its indexes."""

    dependencies = [("models", "0027_bounds")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
