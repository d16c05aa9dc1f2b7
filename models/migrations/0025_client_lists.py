"""Sort and search keys of names, and the requests for an engagement that do not show if they reached an account."""

import unicodedata
from typing import Final

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# In some locales a database changes the case of ASCII alone. So these pairs are written out: the cased letters of the
# Latin, Greek, Cyrillic and Armenian alphabets that have no decomposition.
_CASED: Final = [
    letter
    for letter in map(chr, (*range(0x80, 0x590), 0x1E9E))
    if letter.lower() != letter and unicodedata.normalize("NFKD", letter) == letter
]
_UPPER: Final = "".join(_CASED)
_LOWER: Final = "".join(letter.lower() for letter in _CASED)
_FINAL_SIGMA, _SIGMA = "\u03c2\u03c3"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015"
_APOSTROPHES: Final = "\u2018\u2019\u02bc"
# Letters that a language sorts as letters of their own. A name key has a private character in the place of each.
_LETTERS: Final = "ąćęłńóśźżåäöæøü"
_MARKS: Final = "".join(chr(0xE000 + index) for index in range(len(_LETTERS)))
# In a name key the letters a to z have gaps between them, for the letters that a language has there.
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_PLACES: Final = "".join(chr(0x100 + 4 * index) for index in range(len(_ALPHABET)))

_APPLY_KEYS: Final = rf"""
DO $$ BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'The database has the encoding %. It needs UTF8: create it with ENCODING ''UTF8''.',
            current_setting('server_encoding');
    END IF;
END $$;

-- The text in lower case, without accents and apostrophes. It is the same in each locale of the database.
CREATE FUNCTION fold_text(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN value COLLATE "C" !~ '[^\x01-\x7f]' THEN translate(lower(value COLLATE "C"), '''`', '')
    ELSE translate(replace(replace(replace(replace(translate(
        regexp_replace(lower(normalize(value, NFKD) COLLATE "C"),
            '[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]', '', 'g'),
        '{_UPPER}', '{_LOWER}'),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
        'łøđðħıŧŋ{_FINAL_SIGMA}{_DASHES}{_APOSTROPHES}''`', 'loddhitn{_SIGMA}------') END;

-- The text in which a search looks. A number with separators is in it without them, too.
CREATE FUNCTION search_key(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT folded || CASE WHEN compact <> folded THEN E'\n' || compact ELSE '' END FROM (
        SELECT folded, regexp_replace(folded COLLATE "C", '(?<=\d)[-./ ]+(?=\d)', '', 'g') AS compact
        FROM (SELECT fold_text(value) AS folded OFFSET 0) f OFFSET 0) c;
END;

-- A LIKE pattern for each word, all of which a search key has to match. Null if there is no word. Only ten words count.
CREATE FUNCTION search_patterns(value text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT array_agg('%' || regexp_replace(word, '([\\%_])', '\\\1', 'g') || '%') FROM (
        SELECT DISTINCT word FROM regexp_split_to_table(
            regexp_replace(fold_text(value) COLLATE "C", '(?<=\d)([-./\s]+(?=\d)|[-./]+(?=\s|$))', '', 'g'),
            '\s+') word
        WHERE word <> '' LIMIT 10) w;
END;

-- The text that sorts a name, in the collation C. The list puts each private character into the viewer's alphabet.
CREATE FUNCTION name_key(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN translate(fold_text(translate(normalize(value), '{_LETTERS}{_LETTERS.upper()}', '{_MARKS * 2}')),
    '{_ALPHABET}', '{_PLACES}');

ALTER TABLE users
    ADD COLUMN search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key(name || E'\n' || email)) STORED,
    ADD COLUMN name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key(name)) STORED;
ALTER TABLE accounts
    ADD COLUMN search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        search_key(name || E'\n' || number)) STORED,
    ADD COLUMN number_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        search_key(COALESCE(organization_number, ''))) STORED,
    ADD COLUMN name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key(name)) STORED;
ALTER TABLE invitations
    ADD COLUMN search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key(email)) STORED;
"""
APPLY_REQUESTS: Final = """
-- A pending engagement can be answered until this instant.
ALTER TABLE engagements ADD COLUMN expires_at timestamptz;
UPDATE engagements SET expires_at = greatest(created_at + interval '720 hours', now() + interval '168 hours')
    WHERE status = 'PENDING';
ALTER TABLE engagements
    DROP CONSTRAINT engagements_status_check, DROP CONSTRAINT engagements_ended,
    ADD CONSTRAINT engagements_status_check
        CHECK (status IN ('PENDING', 'ACTIVE', 'DECLINED', 'ENDED', 'WITHDRAWN', 'EXPIRED')),
    ADD CONSTRAINT engagements_ended CHECK ((status IN ('PENDING', 'ACTIVE')) = (ended_at IS NULL)),
    ADD CONSTRAINT engagements_pending_expire CHECK (status <> 'PENDING' OR expires_at IS NOT NULL);

-- Requests by accounts that do not see if the other account exists.
CREATE TABLE engagement_requests (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    by_bureau boolean NOT NULL,
    -- What identified the other account: its number, its organization number, or its id, which need not exist.
    target_number integer,
    target_organization_number text,
    target_country text,
    target_id uuid,
    status text NOT NULL CHECK (status IN ('PENDING', 'ACCEPTED', 'DECLINED', 'WITHDRAWN', 'EXPIRED')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Null: the request reached no account. Never shown to the requester.
    engagement_id uuid REFERENCES engagements,
    CONSTRAINT engagement_requests_one_target
        CHECK (num_nonnulls(target_number, target_organization_number, target_id) = 1)
);
CREATE INDEX engagement_requests_by_account ON engagement_requests (account_id, id);
CREATE INDEX engagement_requests_by_engagement ON engagement_requests (engagement_id) WHERE engagement_id IS NOT NULL;
CREATE UNIQUE INDEX engagement_requests_one_pending ON engagement_requests
    (account_id, by_bureau, target_number, target_organization_number, target_country, target_id) NULLS NOT DISTINCT
    WHERE status = 'PENDING';

-- The requests that were not answered yet. The events of the requesters have what they entered, also if they reached no
-- account. A visible engagement, and one that began or ended, is no such request.
INSERT INTO engagement_requests
SELECT DISTINCT ON (r.account_id, r.by_bureau, r.number, r.organization_number, r.country)
    (lpad(to_hex(floor(extract(epoch FROM r.occurred_at) * 1000)::bigint), 12, '0')
        || '7' || left(md5(random()::text), 3) || '8' || left(md5(random()::text), 15))::uuid,
    r.account_id, r.by_bureau, r.number, r.organization_number, r.country, NULL, 'PENDING', r.occurred_at,
    greatest(r.occurred_at + interval '720 hours', now() + interval '168 hours'), e.id
FROM (
    SELECT v.account_id, v.occurred_at, NOT v.after ? 'bureau_number' AS by_bureau,
        COALESCE(v.after ->> 'bureau_number', v.after ->> 'client_number')::integer AS number,
        v.personal -> 'after' ->> 'client_organization_number' AS organization_number,
        v.personal -> 'after' ->> 'client_country' AS country
    FROM events v WHERE v.type = 'account:engagement:ask' AND v.actor_id IS NOT NULL) r
LEFT JOIN engagements e ON e.asked_by_id = r.account_id AND e.created_at = r.occurred_at
WHERE num_nonnulls(r.number, r.organization_number) = 1 AND (e.id IS NULL OR e.is_blind AND e.status = 'PENDING')
    AND NOT EXISTS (SELECT FROM events a WHERE a.account_id = r.account_id AND a.occurred_at = r.occurred_at
        AND a.type = 'account:engagement:accept')
ORDER BY r.account_id, r.by_bureau, r.number, r.organization_number, r.country, e.id NULLS LAST, r.occurred_at DESC;
"""
APPLY = _APPLY_KEYS + APPLY_REQUESTS

REVERT_REQUESTS: Final = """
DROP TABLE engagement_requests;
UPDATE engagements SET status = 'ENDED' WHERE status IN ('WITHDRAWN', 'EXPIRED');
ALTER TABLE engagements
    DROP CONSTRAINT engagements_status_check, DROP CONSTRAINT engagements_ended,
    ADD CONSTRAINT engagements_status_check CHECK (status IN ('PENDING', 'ACTIVE', 'DECLINED', 'ENDED')),
    ADD CONSTRAINT engagements_ended CHECK ((status IN ('DECLINED', 'ENDED')) = (ended_at IS NOT NULL)),
    DROP COLUMN expires_at;
"""
_REVERT_KEYS: Final = """
ALTER TABLE invitations DROP COLUMN search_key;
ALTER TABLE accounts DROP COLUMN name_key, DROP COLUMN number_key, DROP COLUMN search_key;
ALTER TABLE users DROP COLUMN name_key, DROP COLUMN search_key;
DROP FUNCTION name_key(text), search_patterns(text), search_key(text), fold_text(text);
"""
REVERT = REVERT_REQUESTS + _REVERT_KEYS


class Migration(TortoiseMigration):
    """Add sort and search keys, and requests for an engagement."""

    dependencies = [("models", "0024_closed_accounts")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
