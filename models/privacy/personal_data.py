"""The rows and columns that contain personal data, and their erasure.

Export and erasure both use this one description. Every table is either in PERSONAL_DATA or, with the reason, in
IMPERSONAL_TABLES. A test compares the description with the database, column by column.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from models.audit import event
from models.outbox.message import ERASED_DOMAIN

DELETE: Final = "DELETE"
BATCH: Final = 1000
"""Maximum number of rows that one statement reads or erases."""
ERASED_USER_NAME: Final = "Erased user"
"""The name of an erased user. It is data like any name and is not translated."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One category of personal data: rows of a table that are about a person.

    `condition` selects the rows. `erasure` is DELETE, or SQL assignments, or None if the rows stay because they
    identify the person only by id. `erasable` selects the rows that are not erased yet, if `condition` selects them
    afterwards, too. These can contain {user}, {addresses} (keys of the addresses), {keys} (the id as text, and the
    addresses), {until}, {pseudonym} and {name}. Conditions on addresses have {until}, because the address may belong to
    another person later. `identifying_columns` link the rows to the person. An export contains every column that is not
    in `excluded_columns`.
    """

    name: str
    table: str
    condition: str
    identifying_columns: tuple[str, ...]
    erasure: str | None
    excluded_columns: tuple[str, ...] = ()
    erasable: str = "TRUE"
    is_erased_at_once: bool = False
    """True for the login itself: its rows are erased in the first transaction of the erasure."""


# The format of the keys that models/people/placeholder_owner.py writes. All other keys are addresses.
_PLACEHOLDER_OWNERS: Final = (
    "SELECT s.id FROM users s WHERE s.email_key LIKE 'STAND-IN %' AND lower(s.email) = ANY({addresses})"
    " AND s.created_at <= {until}"
)

PERSONAL_DATA: Final = (
    PersonalData(
        "sessions", "sessions", "t.user_id = {user}", ("user_id",), DELETE, ("token_digest",), is_erased_at_once=True
    ),
    PersonalData(
        "links", "user_tokens", "t.user_id = {user}", ("user_id",), DELETE, ("token_digest",), is_erased_at_once=True
    ),
    PersonalData(
        "recoveryCodes",
        "recovery_codes",
        "t.user_id = {user}",
        ("user_id",),
        DELETE,
        ("code_digest",),
        is_erased_at_once=True,
    ),
    PersonalData(
        "secondFactor", "second_factors", "t.user_id = {user}", ("user_id",), DELETE, ("seed",), is_erased_at_once=True
    ),
    PersonalData("accounts", "accounts", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("organizationNumbers", "organization_numbers", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("bankAccounts", "bank_accounts", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData(
        "numberClaims",
        "number_claims",
        "t.account_id IN (SELECT a.id FROM accounts a WHERE a.owner_id = {user})",
        ("number",),
        DELETE,
        ("holder_id",),  # the account of another person
    ),
    # The digest of the address outlives the erasure, so that a new registration of the address gets no second trial.
    PersonalData("trials", "trials", "t.user_id = {user}", ("user_id",), None, ("address_digest",)),
    PersonalData("grants", "grants", "t.user_id = {user}", ("user_id",), None),
    PersonalData("grantsGiven", "grants", "t.granted_by_id = {user}", ("granted_by_id",), None),
    PersonalData(
        "invitations",
        "invitations",
        "t.email_key = ANY({addresses}) AND t.created_at <= {until}",
        ("email", "email_key"),
        "email = {pseudonym}, email_key = {pseudonym}, message = NULL",
        ("token_digest",),
    ),
    PersonalData(
        "invitationsSent",
        "invitations",
        "t.invited_by_id = {user}",
        ("invited_by_id",),
        "message = NULL",
        ("token_digest", "email", "email_key"),  # the address of another person
        erasable="t.message IS NOT NULL",
    ),
    PersonalData(
        "accessRequests",
        "access_requests",
        "t.requester_id = {user}",
        ("requester_id",),
        "message = NULL, status = CASE t.status WHEN 'PENDING' THEN 'WITHDRAWN' ELSE t.status END",
        ("account_id",),  # would reveal whether the account exists
        erasable="(t.message IS NOT NULL OR t.status = 'PENDING')",
    ),
    PersonalData("ownershipOffered", "ownership_transfers", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("ownershipOfferedToMe", "ownership_transfers", "t.receiver_id = {user}", ("receiver_id",), None),
    PersonalData("ledger", "subscription_entries", "t.actor_id = {user}", ("actor_id",), None),
    PersonalData(
        "idempotencyKeys", "idempotency_keys", "t.user_id = {user}", ("user_id",), DELETE, ("input_digest", "outcome")
    ),
    PersonalData(
        "messages",
        "messages",
        "lower(t.to_address) = ANY({addresses}) AND t.created_at <= {until}",
        ("to_address", "to_name"),
        "to_address = {pseudonym}, to_name = NULL, leased_until = NULL,"
        " status = CASE t.status WHEN 'QUEUED' THEN 'FAILED' ELSE t.status END,"
        " failure = CASE t.status WHEN 'SENT' THEN NULL ELSE 'erased' END",
        ("link_seed", "named"),
    ),
    PersonalData("guesses", "guesses", "t.user_id = {user}", ("user_id",), DELETE, ("subject",)),
    # Texts in events and in messages to others are removed by `models/privacy/redaction.py`.
    PersonalData("events", "events", "t.actor_id = {user}", ("actor_id",), None, ("origin_digest", "personal_digest")),
    PersonalData(
        "eventsAboutMe",
        "events",
        "t.id IN (SELECT events_naming({keys})) AND t.actor_id IS DISTINCT FROM {user}",
        ("personal",),
        None,
        ("origin_digest", "personal_digest", "origin"),  # the IP address of another person
    ),
    # Placeholder owners of client accounts with the address of the erased person. Their links become invalid too.
    PersonalData(
        "linksToClientAccounts",
        "user_tokens",
        f"t.user_id IN ({_PLACEHOLDER_OWNERS})",
        ("user_id",),
        DELETE,
        ("token_digest",),
    ),
    PersonalData(
        "clientAccounts",
        "users",
        f"t.id IN ({_PLACEHOLDER_OWNERS})",
        ("email",),
        "email = {pseudonym}, name = {name}, erased_at = now()",
        ("password_hash", "email_key"),
    ),
    PersonalData("erasures", "erasures", "t.user_id = {user}", ("user_id", "addresses"), None),
    PersonalData(
        "profile",
        "users",
        "t.id = {user}",
        ("id", "email", "email_key"),
        "email = {pseudonym}, email_key = {pseudonym}, name = {name}, locale = 'en', password_hash = NULL,"
        " activated_at = NULL, erased_at = {until}",
        ("password_hash",),
        is_erased_at_once=True,
    ),
)
IMPERSONAL_TABLES: Final[Mapping[str, str]] = {
    "event_links": "hashes, and ids of events",
    "mail_blocks": "keyed digests of addresses and kinds of mail; they stay, so that an erased address is not mailed",
    "grant_changes": "ids of grants, and the kinds of their changes",
    "engagements": "ids of accounts, which are not people",
    "reminders": "the ends that were announced",
    "voucher_batches": "sales of the operator, with the operator's own reference",
    "vouchers": "digests of codes, and ids of ledger entries; the entries refer to the user who redeemed the voucher",
    "documents": "texts of GraphQL operations, without variables",
    "tortoise_migrations": "names of migrations",
}
"""Tables without personal data, each with the reason."""


_TABLES_WITHOUT_ID: Final = frozenset(
    (
        *("recovery_codes", "second_factors", "organization_numbers", "bank_accounts", "number_claims", "trials"),
        *("idempotency_keys", "guesses", "erasures"),
    )
)


@dataclass(frozen=True, slots=True)
class DataSubject:
    """The person whose data is exported or erased, until an instant.

    `addresses` are lower-case e-mail addresses and keys of them.
    """

    id: UUID
    until: datetime
    addresses: tuple[str, ...] = ()

    @property
    def pseudonym(self) -> str:
        """The replacement for the address. It is unique and cannot be registered."""
        return f"{self.id}@{ERASED_DOMAIN}"

    @property
    def keys(self) -> list[str]:
        """The id as text and the addresses, by which events and messages name the person."""
        return [str(self.id), *self.addresses]

    def bind(self, sql: str) -> tuple[str, list[object]]:
        """Replace the placeholders of `sql` by parameters. Returns the SQL and its arguments."""
        params = db.Params()
        values: dict[str, tuple[str, object]] = {
            "user": ("uuid", self.id),
            "addresses": ("text[]", list(self.addresses)),
            "keys": ("text[]", self.keys),
            "until": ("timestamptz", self.until),
            "pseudonym": ("text", self.pseudonym),
            "name": ("text", ERASED_USER_NAME),
        }
        parameters = {
            name: f"{params.add(value)}::{kind}" for name, (kind, value) in values.items() if f"{{{name}}}" in sql
        }
        for name, parameter in parameters.items():
            sql = sql.replace(f"{{{name}}}", parameter)
        return sql, params.values


# ---- Export ----------------------------------------------------------------------------------


# The addresses of other people in a mail.
_PARAMS_WITHOUT_ADDRESSES: Final = """
t.params - ARRAY(SELECT jsonb_array_elements_text(n.value) FROM jsonb_each(t.named) n
    WHERE n.key LIKE '%@%' AND NOT n.key = ANY({addresses}))
"""


class _Key(db.Row):
    id: UUID


class _Row(db.Row):
    row: str


def key_sql(category: PersonalData) -> str:
    """The SQL that finds the ids of a person's rows of one category."""
    return f"SELECT t.id FROM {category.table} t WHERE {category.condition}"


async def load_rows(category: PersonalData, subject: DataSubject) -> AsyncIterator[str]:
    """Yield the person's rows of one category, each as JSON. No statement locks a row, or waits for one.

    Rows with an id are read in pages. Of the other rows a person has few. Events have `before` and `after` as the API
    shows them.
    """
    row_sql = f"to_jsonb(t) - ARRAY{[*category.excluded_columns]}::text[]"
    if category.table == "events":
        facts = {name: event.COLUMNS[name].replace("e.", "t.") for name in ("before", "after")}
        row_sql += f" - ARRAY['personal'] || jsonb_build_object('before', {facts['before']}, 'after', {facts['after']})"
    elif category.table == "messages":
        row_sql += f" || jsonb_build_object('params', {_PARAMS_WITHOUT_ADDRESSES})"
    if category.table in _TABLES_WITHOUT_ID:
        sql, args = subject.bind(
            f"SELECT ({row_sql})::text AS row FROM {category.table} t WHERE {category.condition} ORDER BY 1"
        )
        for row in await db.fetch(sql, *args, row=_Row):
            yield row.row
        return
    sql, args = subject.bind(key_sql(category))
    keys = sorted([row.id for row in await db.fetch(sql, *args, row=_Key)])
    page_sql = f"SELECT ({row_sql})::text AS row FROM {category.table} t WHERE t.id = ANY({{page}}) ORDER BY t.id"
    sql, args = subject.bind(page_sql)
    sql = sql.replace("{page}", f"${len(args) + 1}::uuid[]")
    for start in range(0, len(keys), BATCH):
        for row in await db.fetch(sql, *args, keys[start : start + BATCH], row=_Row):
            yield row.row


# ---- Erasure ---------------------------------------------------------------------------------


def erasure_sql(category: PersonalData) -> str:
    """The SQL that erases a batch of a person's rows of one category."""
    verb = (
        f"DELETE FROM {category.table} t"
        if category.erasure == DELETE
        else f"UPDATE {category.table} t SET {category.erasure}"
    )
    rows = f"SELECT t.ctid FROM {category.table} t WHERE {category.condition} AND {category.erasable} LIMIT {BATCH}"
    return f"{verb} WHERE t.ctid = ANY(ARRAY({rows}))"


async def erase_at_once(subject: DataSubject) -> None:
    """Erase the login: sessions, links, second factor and profile. Runs in the transaction of the caller."""
    for category in PERSONAL_DATA:
        if category.is_erased_at_once:
            sql, args = subject.bind(erasure_sql(category))
            await db.execute(sql, *args)


async def erase(subject: DataSubject) -> None:
    """Erase all other categories of a person's data. Each batch of rows is one statement."""
    for category in PERSONAL_DATA:
        if category.erasure is None or category.is_erased_at_once:
            continue
        sql, args = subject.bind(erasure_sql(category))
        while await db.execute(sql, *args):
            pass
