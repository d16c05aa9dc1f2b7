"""The rows and columns that contain personal data, and their erasure.

Export and erasure both use this one description. Every table is either in PERSONAL_DATA or, with the reason, in
IMPERSONAL_TABLES. A test compares the description with the database, column by column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from database import db
from models.audit import event

DELETE: Final = "DELETE"
ERASED_USER_NAME: Final = "Erased user"
"""The name of an erased user. It is data like any name and is not translated."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One category of personal data: rows of a table that are about a person.

    `condition` selects the rows. `erasure` is DELETE, or SQL assignments, or None if the rows stay because they
    identify the person only by id. Both can contain {user}, {addresses} (keys of the addresses), {pseudonym} and
    {name}. `identifying_columns` link the rows to the person. An export contains every column that is not in
    `excluded_columns`.
    """

    name: str
    table: str
    condition: str
    identifying_columns: tuple[str, ...]
    erasure: str | None
    excluded_columns: tuple[str, ...] = ()


# The format of the keys that models/people/placeholder_owner.py writes. All other keys are addresses.
_PLACEHOLDER_OWNERS: Final = (
    "SELECT s.id FROM users s WHERE s.email_key LIKE 'STAND-IN %' AND lower(s.email) = ANY({addresses})"
)

PERSONAL_DATA: Final = (
    PersonalData("sessions", "sessions", "t.user_id = {user}", ("user_id",), DELETE, ("token_digest",)),
    PersonalData("links", "user_tokens", "t.user_id = {user}", ("user_id",), DELETE, ("token_digest",)),
    PersonalData("recoveryCodes", "recovery_codes", "t.user_id = {user}", ("user_id",), DELETE, ("code_digest",)),
    PersonalData("secondFactor", "second_factors", "t.user_id = {user}", ("user_id",), DELETE, ("seed",)),
    PersonalData("accounts", "accounts", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("organizationNumbers", "organization_numbers", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("bankAccounts", "bank_accounts", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("grants", "grants", "t.user_id = {user}", ("user_id",), None),
    PersonalData("grantsGiven", "grants", "t.granted_by_id = {user}", ("granted_by_id",), None),
    PersonalData(
        "invitations",
        "invitations",
        "t.email_key = ANY({addresses})",
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
    ),
    PersonalData(
        "accessRequests",
        "access_requests",
        "t.requester_id = {user}",
        ("requester_id",),
        "message = NULL, status = CASE t.status WHEN 'PENDING' THEN 'WITHDRAWN' ELSE t.status END",
        ("account_id",),  # would reveal whether the account exists
    ),
    PersonalData("ownershipOffered", "ownership_transfers", "t.owner_id = {user}", ("owner_id",), None),
    PersonalData("ownershipOfferedToMe", "ownership_transfers", "t.receiver_id = {user}", ("receiver_id",), None),
    PersonalData("ledger", "subscription_entries", "t.actor_id = {user}", ("actor_id",), None),
    PersonalData("idempotencyKeys", "idempotency_keys", "t.user_id = {user}", ("user_id",), DELETE, ("input_digest",)),
    PersonalData(
        "messages",
        "messages",
        "lower(t.to_address) = ANY({addresses})",
        ("to_address", "to_name"),
        "to_address = {pseudonym}, to_name = NULL, leased_until = NULL,"
        " status = CASE t.status WHEN 'QUEUED' THEN 'FAILED' ELSE t.status END,"
        " failure = CASE t.status WHEN 'SENT' THEN NULL ELSE 'erased' END",
        ("link_seed",),
    ),
    PersonalData("guesses", "guesses", "t.user_id = {user}", ("user_id",), DELETE, ("subject",)),
    # Names and addresses in events are removed by `event.forget`.
    PersonalData("events", "events", "t.actor_id = {user}", ("actor_id",), None, ("origin_digest", "personal_digest")),
    PersonalData(
        "eventsAboutMe",
        "events",
        "t.personal ? 'addresses' AND t.personal -> 'addresses' ?| {addresses} AND t.actor_id IS DISTINCT FROM {user}",
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
    # Last, because the conditions above use the address.
    PersonalData(
        "profile",
        "users",
        "t.id = {user}",
        ("id", "email", "email_key"),
        "email = {pseudonym}, email_key = {pseudonym}, name = {name}, locale = 'en', password_hash = NULL,"
        " activated_at = NULL",
        ("password_hash",),
    ),
)
IMPERSONAL_TABLES: Final[Mapping[str, str]] = {
    "event_links": "hashes, and ids of events",
    "grant_changes": "ids of grants, and the kinds of their changes",
    "engagements": "ids of accounts, which are not people",
    "reminders": "the ends that were announced",
    "voucher_batches": "sales of the operator, with the operator's own reference",
    "vouchers": "digests of codes, and ids of ledger entries; the entries refer to the user who redeemed the voucher",
    "documents": "texts of GraphQL operations, without variables",
    "tortoise_migrations": "names of migrations",
}
"""Tables without personal data, each with the reason."""


@dataclass(frozen=True, slots=True)
class DataSubject:
    """The person whose data is exported or erased. `addresses` are lower-case e-mail addresses and keys of them."""

    id: UUID
    addresses: tuple[str, ...]

    @property
    def pseudonym(self) -> str:
        """The replacement for the address. It is unique and cannot be registered."""
        return f"{self.id}@erased.invalid"

    def bind(self, sql: str) -> tuple[str, list[object]]:
        """Replace the placeholders of `sql` by parameters. Returns the SQL and its arguments."""
        params = db.Params()
        values = {
            "user": ("uuid", self.id),
            "addresses": ("text[]", list(self.addresses)),
            "pseudonym": ("text", self.pseudonym),
            "name": ("text", ERASED_USER_NAME),
        }
        parameters = {
            name: f"{params.add(value)}::{kind}" for name, (kind, value) in values.items() if f"{{{name}}}" in sql
        }
        for name, parameter in parameters.items():
            sql = sql.replace(f"{{{name}}}", parameter)
        return sql, params.values


class _Row(db.Row):
    row: str


async def load_rows(category: PersonalData, subject: DataSubject) -> list[str]:
    """The person's rows of one category, each as JSON. Events have `before` and `after` as the API shows them."""
    row_sql = f"to_jsonb(t) - ARRAY{[*category.excluded_columns]}::text[]"
    if category.table == "events":
        facts = {name: event.COLUMNS[name].replace("e.", "t.") for name in ("before", "after")}
        row_sql += f" - ARRAY['personal'] || jsonb_build_object('before', {facts['before']}, 'after', {facts['after']})"
    sql, args = subject.bind(
        f"SELECT ({row_sql})::text AS row FROM {category.table} t WHERE {category.condition} ORDER BY 1"
    )
    return [row.row for row in await db.fetch(sql, *args, row=_Row)]


async def erase(subject: DataSubject) -> None:
    """Erase all categories of a person's data. Runs in the transaction of the caller."""
    for category in PERSONAL_DATA:
        if category.erasure is None:
            continue
        verb = (
            f"DELETE FROM {category.table} t"
            if category.erasure == DELETE
            else f"UPDATE {category.table} t SET {category.erasure}"
        )
        sql, args = subject.bind(f"{verb} WHERE {category.condition}")
        await db.execute(sql, *args)
