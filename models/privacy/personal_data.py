"""Where the database holds something about a person, and what becomes of it when he is erased.

One description, from which exporting and erasing are both made. Every table stands here: in HELD,
or in IMPERSONAL with the reason; a test holds the database to it, column by column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from database import db
from models.audit import event

DELETE: Final = "DELETE"
ERASED: Final = "Erased user"
"""The name of who has erased himself. Data, like any name: the same in every language."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Rows of a table that are about a person.

    `of` says which, and `erased` what then becomes of them: DELETE, assignments, or None where they
    stay, because they name him by his id only. Both speak of {user}, {addresses} (keys of his
    addresses), {pseudonym} and {name}. `columns` are the columns by which they are his; an
    export shows every column but `hidden`.
    """

    name: str
    table: str
    of: str
    columns: tuple[str, ...]
    erased: str | None
    hidden: tuple[str, ...] = ()


# As models/bureaus/client.py writes their keys; only there a key is no address.
_STAND_INS: Final = "SELECT s.id FROM users s WHERE s.email_key LIKE 'STAND-IN %' AND lower(s.email) = ANY({addresses})"

HELD: Final = (
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
        ("token_digest", "email", "email_key"),  # another's address
    ),
    PersonalData(
        "accessRequests",
        "access_requests",
        "t.requester_id = {user}",
        ("requester_id",),
        "message = NULL, status = CASE t.status WHEN 'PENDING' THEN 'WITHDRAWN' ELSE t.status END",
        ("account_id",),  # whether anybody was there
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
    # What may name him in events is taken out by `event.forget`.
    PersonalData("events", "events", "t.actor_id = {user}", ("actor_id",), None, ("origin_digest", "personal_digest")),
    PersonalData(
        "eventsAboutMe",
        "events",
        "t.personal ? 'addresses' AND t.personal -> 'addresses' ?| {addresses} AND t.actor_id IS DISTINCT FROM {user}",
        ("personal",),
        None,
        ("origin_digest", "personal_digest", "origin"),  # where another came from
    ),
    # Who stands in for him at accounts that bureaus have opened: his links there die with him.
    PersonalData(
        "linksToClientAccounts", "user_tokens", f"t.user_id IN ({_STAND_INS})", ("user_id",), DELETE, ("token_digest",)
    ),
    PersonalData(
        "clientAccounts",
        "users",
        f"t.id IN ({_STAND_INS})",
        ("email",),
        "email = {pseudonym}, name = {name}, erased_at = now()",
        ("password_hash", "email_key"),
    ),
    # Last: the others are found by his address.
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
IMPERSONAL: Final[Mapping[str, str]] = {
    "event_links": "hashes, and ids of events",
    "grant_changes": "ids of grants, and what became of them",
    "engagements": "accounts, none of which is a person",
    "reminders": "which ends were announced",
    "voucher_batches": "what the operator sold, by his own reference",
    "vouchers": "digests of codes, and the lines that they became, which name who redeemed them",
    "documents": "what clients ask, without what they ask it with",
    "tortoise_migrations": "names of steps",
}
"""Tables in which nobody can be found."""


@dataclass(frozen=True, slots=True)
class Person:
    """Of whom things are held."""

    id: UUID
    addresses: tuple[str, ...]

    @property
    def pseudonym(self) -> str:
        """What takes his address's place: unique, and nobody's."""
        return f"{self.id}@erased.invalid"

    def bound(self, sql: str) -> tuple[str, list[object]]:
        """SQL that speaks of him, and its arguments."""
        params = db.Params()
        values = {
            "user": ("uuid", self.id),
            "addresses": ("text[]", list(self.addresses)),
            "pseudonym": ("text", self.pseudonym),
            "name": ("text", ERASED),
        }
        used = {name: f"{params.add(value)}::{kind}" for name, (kind, value) in values.items() if f"{{{name}}}" in sql}
        for name, place in used.items():
            sql = sql.replace(f"{{{name}}}", place)
        return sql, params.values


class _Row(db.Row):
    row: str


async def rows(held: PersonalData, person: Person) -> list[str]:
    """What one entry of HELD has of somebody, each row as JSON; events as they are shown."""
    shown = f"to_jsonb(t) - ARRAY{[*held.hidden]}::text[]"
    if held.table == "events":
        facts = {name: event.COLUMNS[name].replace("e.", "t.").partition(" AS ")[0] for name in ("before", "after")}
        shown += f" - ARRAY['personal'] || jsonb_build_object('before', {facts['before']}, 'after', {facts['after']})"
    sql, args = person.bound(f"SELECT ({shown})::text AS row FROM {held.table} t WHERE {held.of} ORDER BY 1")
    return [found.row for found in await db.fetch(sql, *args, row=_Row)]


async def erase(person: Person) -> None:
    """Take out, everywhere, what names somebody, within the transaction in which he is erased."""
    for held in HELD:
        if held.erased is None:
            continue
        verb = f"DELETE FROM {held.table} t" if held.erased == DELETE else f"UPDATE {held.table} t SET {held.erased}"
        sql, args = person.bound(f"{verb} WHERE {held.of}")
        await db.execute(sql, *args)
