"""The rows and columns that contain personal data, and their erasure.

Export and erasure both use this one description. Every table is either in PERSONAL_DATA or, with the reason, in
IMPERSONAL_TABLES. Modules add their own. A test compares the description with the database, column by column.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import modules
from auth.policy import Permission
from auth.rules import Rule, needs
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
    addresses), {until}, {pseudonym} and {name}. Conditions on addresses have {until} and the SQL function
    `address_named`, because an address may belong to another person earlier or later. `identifying_columns` link the
    rows to the person. An export contains every column that is not in `excluded_columns`.
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
    rule: Rule | None = None
    """For acts of the person in accounts: the rule of these rows in the API. Without the right in the row's account,
    only `plain_columns` are exported. None for rows that are the person's own."""
    plain_columns: tuple[str, ...] = ()


# The format of the keys that models/people/placeholder_owner.py writes. All other keys are addresses.
_PLACEHOLDER_OWNERS: Final = (
    "SELECT s.id FROM users s WHERE s.email_key LIKE 'STAND-IN %' AND lower(s.email) = ANY({addresses})"
    " AND address_named({user}, lower(s.email), s.created_at) AND s.created_at <= {until}"
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
    PersonalData(
        *("passkeys", "passkeys", "t.user_id = {user}", ("user_id",), DELETE, ("credential_id", "public_key")),
        is_erased_at_once=True,
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
    PersonalData(
        "permissionsGiven",
        "engagements",
        "t.standing_by_id = {user}",
        ("standing_by_id",),
        None,
        # Users of the account read the rest in the API, while they may.
        ("bureau_id", "status", "asked_by_id", "is_blind", "created_at", "ended_at", "standing_bits", "standing_until"),
    ),
    PersonalData(
        "grantsGiven",
        "grants",
        "t.granted_by_id = {user}",
        ("granted_by_id",),
        None,
        rule=needs(Permission.USERS_READ),
        plain_columns=("id", "account_id", "granted_by_id", "created_at"),
    ),
    PersonalData(
        "invitations",
        "invitations",
        "t.email_key = ANY({addresses}) AND address_named({user}, t.email_key, t.created_at)"
        " AND t.created_at <= {until}",
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
        rule=needs(Permission.USERS_READ),
        plain_columns=("id", "account_id", "invited_by_id", "created_at", "message"),
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
    PersonalData(
        "ownershipOffered",
        "ownership_transfers",
        "t.owner_id = {user}",
        ("owner_id",),
        None,
        rule=needs(Permission.OWNERSHIP),
        plain_columns=("id", "account_id", "owner_id", "created_at"),
    ),
    PersonalData("ownershipOfferedToMe", "ownership_transfers", "t.receiver_id = {user}", ("receiver_id",), None),
    PersonalData(
        "ledger",
        "subscription_entries",
        "t.actor_id = {user}",
        ("actor_id",),
        None,
        rule=needs(Permission.SUBSCRIPTION_READ),
        plain_columns=("id", "account_id", "actor_id", "created_at"),
    ),
    PersonalData(
        "idempotencyKeys", "idempotency_keys", "t.user_id = {user}", ("user_id",), DELETE, ("input_digest", "outcome")
    ),
    PersonalData(
        "messages",
        "messages",
        "lower(t.to_address) = ANY({addresses}) AND address_named({user}, lower(t.to_address), t.created_at)"
        " AND t.created_at <= {until}",
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
        "t.id IN (SELECT events_about({user}, {keys})) AND t.actor_id IS DISTINCT FROM {user}",
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
        ("password_hash", "registration_secret_digest", "email_key"),
    ),
    # The end of the erasure deletes the rows. Until then, they say which texts name the person.
    PersonalData(
        "formerAddresses",
        "former_addresses",
        "t.user_id = {user}",
        ("user_id", "email", "email_key"),
        None,
    ),
    PersonalData("erasures", "erasures", "t.user_id = {user}", ("user_id", "addresses"), None),
    PersonalData(
        "profile",
        "users",
        "t.id = {user}",
        ("id", "email", "email_key"),
        "email = {pseudonym}, email_key = {pseudonym}, name = {name}, locale = 'en', password_hash = NULL,"
        " registration_secret_digest = NULL, activated_at = NULL, erased_at = {until}",
        ("password_hash", "registration_secret_digest"),
        is_erased_at_once=True,
    ),
)
IMPERSONAL_TABLES: Final[Mapping[str, str]] = {
    "passkey_challenges": "digests of random bytes, for five minutes",
    "event_links": "hashes, and ids of events",
    "engagement_requests": "ids and numbers of accounts, which are not people",
    "mail_blocks": "keyed digests of addresses and kinds of mail; they stay, so that an erased address is not mailed",
    "grant_changes": "ids of grants, and the kinds of their changes",
    "limit_raises": "ids of accounts, and the numbers to which the operator raised their limits",
    "reminders": "the ends that were announced",
    "voucher_batches": "sales of the operator, with the operator's own reference",
    "vouchers": "digests of codes, and ids of ledger entries; the entries refer to the user who redeemed the voucher",
    "documents": "texts of GraphQL operations, without variables",
    "tortoise_migrations": "names of migrations",
}
"""Tables without personal data, each with the reason."""


def categories() -> tuple[PersonalData, ...]:
    """The categories of the product, then those of each installed module. Their tables have an id."""
    return *PERSONAL_DATA, *(category for part in modules.table_parts("PERSONAL_DATA") for category in part)


def impersonal_tables() -> dict[str, str]:
    """The tables without personal data, those of modules included, each with the reason."""
    return {
        name: reason
        for part in (IMPERSONAL_TABLES, *modules.table_parts("IMPERSONAL_TABLES"))
        for name, reason in part.items()
    }


_TABLES_WITHOUT_ID: Final = frozenset(
    (
        *("recovery_codes", "second_factors", "organization_numbers", "bank_accounts", "number_claims", "trials"),
        *("idempotency_keys", "guesses", "erasures", "former_addresses"),
    )
)


@dataclass(frozen=True, slots=True)
class DataSubject:
    """The person whose data is exported or erased, until an instant.

    `addresses` are lower-case e-mail addresses and keys of them, with those that the login had before.
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


class _Addresses(db.Row):
    addresses: list[str]


async def load_addresses(user_id: UUID) -> tuple[str, ...]:
    """The keys of a user's present and former addresses, as `DataSubject` has them."""
    (row,) = await db.fetch("SELECT addresses_of($1) AS addresses", user_id, row=_Addresses)
    return tuple(row.addresses)


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

    Rows with an id are read in pages. Of the other rows a person has few. Events have all facts, and in `named` the
    places of the facts that name a person: the caller cuts what the person may not read.
    """
    row_sql = f"to_jsonb(t) - ARRAY{[*category.excluded_columns]}::text[]"
    if category.table == "events":
        facts = {name: event.COLUMNS[name].replace("e.", "t.") for name in ("before", "after")}
        facts["named"] = "t.personal -> 'named'"
        values = ", ".join(f"'{name}', {sql}" for name, sql in facts.items())
        row_sql += f" - ARRAY['personal'] || jsonb_build_object({values})"
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
    """Erase the login: sessions, links, second factor, passkeys and profile. Runs in the transaction of the caller."""
    for category in categories():
        if category.is_erased_at_once:
            sql, args = subject.bind(erasure_sql(category))
            await db.execute(sql, *args)


async def erase(subject: DataSubject) -> None:
    """Erase all other categories of a person's data. Each batch of rows is one statement."""
    for category in categories():
        if category.erasure is None or category.is_erased_at_once:
            continue
        sql, args = subject.bind(erasure_sql(category))
        while await db.execute(sql, *args):
            pass
