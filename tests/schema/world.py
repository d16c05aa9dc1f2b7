"""The world of the matrix tests: one account with every kind of object, and a caller in every role.

The world also computes the rights of each caller on a row, from the rows and the permission table. It does not use
the resolvers for that, so it can check them.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import reduce
from itertools import count
from operator import or_
from typing import Any, Final, Literal
from uuid import UUID

import app
from auth import policy
from auth.policy import GrantFacts, GrantStatus, Permission, Role
from auth.rules import AUTHENTICATED_BIT, PUBLIC_BIT, SELF_BIT
from database import db
from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from resolvers import ids
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, Person, run_application

DATABASE_NUMBERS = count(1)
EXECUTORS: Final[tuple[Literal["compiled", "reference"], ...]] = ("compiled", "reference")
CONSULTANT_PERMISSIONS = policy.permissions(policy.ROLES[Role.CONSULTANT])
GUESTS: Final[dict[str, tuple[Role, Sequence[Permission] | None]]] = {
    "administrator": (Role.ADMINISTRATOR, None),
    "collaborator": (Role.COLLABORATOR, None),
    "accountant": (Role.ACCOUNTANT, None),
    "consultant": (Role.CONSULTANT, CONSULTANT_PERMISSIONS),
    "consultant with little": (Role.CONSULTANT, [Permission.DOCUMENTS_READ]),
    "simple user": (Role.SIMPLE_USER, None),
    "simple user with little": (Role.SIMPLE_USER, [Permission.DOCUMENTS_READ]),
}
OUTSIDERS: Final = ("revoked", "stranger", "anonymous")
CALLERS: Final = ("owner", *GUESTS, *OUTSIDERS)
INSIDERS: Final = ("owner", *GUESTS)
USERS_READ = policy.mask([Permission.USERS_READ])
DOCUMENTS_READ_ALL = policy.mask([Permission.DOCUMENTS_READ_ALL])


@dataclass
class World:
    """The account, the callers by name (None for a caller without a session), and the ids of its objects by type."""

    api: Api
    people: dict[str, Person | None] = field(default_factory=dict[str, Person | None])
    objects: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    invitation_token: str = ""
    account_number: int = 0
    side_account_id: str = ""
    """The id of a second account of the owner, which guests join and leave."""
    partner: Person | None = None
    """The owner of other accounts: bureaus that work for the world's account, and clients of it. It is a bureau too."""
    walks: dict[str, object] = field(default_factory=dict[str, object])
    payload_findings: list[object] = field(default_factory=list[object])
    """The findings in walks (by caller) and in payloads. The last test checks that they cover every field."""
    counter: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def owner(self) -> Person:
        """The account's owner."""
        return self.person("owner")

    def person(self, name: str) -> Person:
        """The signed-in caller with this name."""
        person = self.people[name]
        assert person is not None
        return person

    def new_address(self) -> str:
        """An unused address."""
        return f"new-{next(self.counter)}@example.com"

    async def clear_attempts(self) -> None:
        """Remove all rate limit attempts: the tests of a day's limits are elsewhere."""
        await db.execute("UPDATE guesses SET tried = '{}'")

    async def reset(self) -> None:
        """Remove all rate limit attempts, reopen the account, and give it its former kind and invoice prefix."""
        await self.clear_attempts()
        await db.execute("UPDATE accounts SET closes_at = NULL WHERE closed_at IS NULL")
        await db.execute(
            "UPDATE accounts SET kind = 'BUREAU', invoice_prefix = '' WHERE id = $1", key(self.owner.account_id)
        )

    async def remove_second_factor(self, person: Person) -> None:
        """Make the password alone enough for a user."""
        for table in ("second_factors", "passkeys"):
            await db.execute(f"DELETE FROM {table} WHERE user_id = $1", key(person.user_id))

    async def find_grant(self, person: Person, account: str) -> str | None:
        """The id of a user's active grant on an account. None if there is none."""
        sql = "SELECT id FROM grants WHERE user_id = $1 AND account_id = $2 AND status = 'ACTIVE'"
        row = await db.fetch_one(sql, key(person.user_id), key(account), row=db.Row)
        return ids.encode("Grant", row.id) if row else None

    async def ensure_invitation(self, person: Person) -> str:
        """The id of a pending invitation of a user to the side account."""
        if (grant := await self.find_grant(person, self.side_account_id)) is not None:
            assert (await self.api.do("resignGrant", {"grantId": grant}, by=person))["errors"] == []
        sql = "SELECT id FROM invitations WHERE lower(email) = $1 AND account_id = $2 AND status = 'PENDING'"
        row = await db.fetch_one(sql, person.email, key(self.side_account_id), row=db.Row)
        if row is not None:
            return ids.encode("Invitation", row.id)
        values = {"accountId": self.side_account_id, "email": person.email, "role": "SIMPLE_USER"}
        payload = await self.api.do("inviteUser", values, "invitation { id }", by=self.owner)
        assert payload["errors"] == []
        return str(payload["invitation"]["id"])

    async def ensure_grant(self, person: Person) -> str:
        """The id of a user's active grant on the side account."""
        if (grant := await self.find_grant(person, self.side_account_id)) is not None:
            return grant
        values = {"invitationId": await self.ensure_invitation(person)}
        payload = await self.api.do("acceptInvitation", values, "grant { id }", by=person)
        assert payload["errors"] == []
        return str(payload["grant"]["id"])

    async def offer_account(self, person: Person) -> str:
        """The id of a new account of the owner, whose ownership is offered to a user."""
        payload = await self.api.do("createAccount", {"name": "Offered AS"}, "account { id }", by=self.owner)
        account = str(payload["account"]["id"])
        values = {"accountId": account, "email": person.email, "role": "SIMPLE_USER"}
        payload = await self.api.do("inviteUser", values, "invitation { id }", by=self.owner)
        values = {"invitationId": payload["invitation"]["id"]}
        assert (await self.api.do("acceptInvitation", values, by=person))["errors"] == []
        values = {"accountId": account, "userId": person.user_id, "password": PASSWORD}
        assert (await self.api.do("transferOwnership", values, by=self.owner))["errors"] == []
        return account

    async def invite(self) -> str:
        """The id of a pending invitation of an unused address."""
        values = {"accountId": self.owner.account_id, "email": self.new_address(), "role": "SIMPLE_USER"}
        payload = await self.api.do("inviteUser", values, "invitation { id }", by=self.owner)
        return str(payload["invitation"]["id"])

    async def create_partner_account(self, kind: str = "BUSINESS") -> tuple[str, int]:
        """The id and number of a new account of the partner."""
        values = {"name": "Partner AS", "kind": kind}
        payload = await self.api.do("createAccount", values, "account { id number }", by=self.partner)
        assert payload["errors"] == []
        return payload["account"]["id"], payload["account"]["number"]

    async def request_engagement(self) -> str:
        """The id of a pending engagement that a bureau of the partner has requested."""
        bureau, _ = await self.create_partner_account("BUREAU")
        values = {"bureauAccountId": bureau, "clientNumber": self.account_number}
        assert (await self.api.do("engageBureau", values, by=self.partner))["errors"] == []
        row = await db.fetch_one("SELECT id FROM engagements WHERE bureau_id = $1", key(bureau), row=db.Row)
        assert row is not None
        return ids.encode("Engagement", row.id)

    async def create_client(self) -> str:
        """The id of a new account of the partner that is a client of the world's account."""
        client, _ = await self.create_partner_account()
        values = {"clientAccountId": client, "bureauNumber": self.account_number}
        assert (await self.api.do("engageBureau", values, by=self.partner))["errors"] == []
        row = await db.fetch_one("SELECT id FROM engagements WHERE client_id = $1", key(client), row=db.Row)
        assert row is not None
        values = {"engagementId": ids.encode("Engagement", row.id)}
        assert (await self.api.do("acceptEngagement", values, by=self.owner))["errors"] == []
        return client

    async def create(self, type_name: str, **fields: object) -> str:
        """The id of a new object of the workspace, that the owner creates in the world's account."""
        name = f"{type_name[0].lower()}{type_name[1:]}"
        values = {"accountId": self.owner.account_id, **fields}
        payload = await self.api.do(f"create{type_name}", values, f"{name} {{ id }}", by=self.owner)
        assert payload["errors"] == []
        return str(payload[name]["id"])

    async def create_draft(self, creator: Person) -> str:
        """The id of a draft that could be issued. It counts as created by a user, so it is in their scope."""
        document = await self.create("Document", contactId=self.objects["Contact"][0])
        values = {"documentId": document, "productId": self.objects["Product"][0], "quantity": "2"}
        assert (await self.api.do("addDocumentLine", values, by=self.owner))["errors"] == []
        creation = "UPDATE sales_documents SET created_by_id = $1 WHERE id = $2"
        _ = await db.execute(creation, key(creator.user_id), key(document))
        return document

    async def create_export(self, creator: Person) -> str:
        """The id of a finished export of contacts that a user has created."""
        sql = """INSERT INTO exports (id, account_id, created_by_id, kind, format, locale, columns, needed_bits,
                is_scoped, status, row_count, byte_count, part_count, attempts, created_at, written_at, expires_at)
            VALUES (gen_random_uuid(), $1, $2, 'CONTACTS', 'CSV', 'en', 'id name', 0, false, 'READY', 0, 0, 0, 0, $3,
                $3, $3::timestamptz + interval '1 day') RETURNING id"""
        (row,) = await db.fetch(sql, key(self.owner.account_id), key(creator.user_id), self.api.clock.now, row=db.Row)
        return ids.encode("Export", row.id)

    async def request_access(self, person: Person, number: int) -> str:
        """The id of a user's pending access request."""
        values = {"accountNumber": number, "role": "SIMPLE_USER"}
        assert (await self.api.do("requestAccess", values, by=person))["errors"] == []
        sql = "SELECT id FROM access_requests WHERE requester_id = $1 AND account_number = $2 AND status = 'PENDING'"
        row = await db.fetch_one(sql, key(person.user_id), number, row=db.Row)
        assert row is not None
        return ids.encode("AccessRequest", row.id)

    # ---- Rights ------------------------------------------------------------------------------

    async def grant_facts(self, name: str, account: UUID | None) -> GrantFacts | None:
        """The facts of a caller's active grant on an account. None without one."""
        person = self.people[name]
        if person is None or account is None:
            return None
        sql = "SELECT role, listed FROM grants WHERE user_id = $1 AND account_id = $2 AND status = 'ACTIVE'"
        row = await db.fetch_one(sql, key(person.user_id), account, row=db.Row)
        if row is None:
            return None
        return GrantFacts(Role(row.role), GrantStatus.ACTIVE, row.listed, 0, 0, subscription_over=False)

    async def rights(self, name: str, type_name: str, row: UUID | None) -> tuple[int, GrantFacts | None]:
        """A caller's rights on an object, and the grant behind them, if any.

        `row` is the key of the object; for a part of an account it is the key of the account.
        """
        person = self.people[name]
        if person is None:
            return PUBLIC_BIT, None
        user_key, rights = key(person.user_id), PUBLIC_BIT | AUTHENTICATED_BIT
        if type_name in {"Viewer", "EmailChange", "SecondFactor", "Mutation", "Subscription", "AccessChange"}:
            return rights | SELF_BIT, None
        if type_name in {"Session", "Passkey"}:
            owner = await fetch_value("sessions" if type_name == "Session" else "passkeys", "user_id", row)
            return rights | (SELF_BIT if owner == user_key else 0), None
        if type_name in {"User", "LinkedAccount"}:
            user = row if type_name == "User" else await fetch_value("accounts", "owner_id", row)
            account_rows = await db.fetch(SHARED_ACCOUNTS, user, row=db.Row)
            user_rights = [await self.permissions(name, account.account_id) & USERS_READ for account in account_rows]
            membership = await db.fetch(MEMBERSHIP, user, key(self.owner.account_id), row=db.Row)
            facts = await self.grant_facts(name, key(self.owner.account_id)) if membership else None
            return rights | (SELF_BIT if user == user_key else 0) | (USERS_READ if any(user_rights) else 0), facts
        if type_name == "Engagement":
            sides = [await fetch_value("engagements", side, row) for side in ("bureau_id", "client_id")]
            side_facts = [await self.grant_facts(name, side) for side in sides]
            rights, facts = (
                reduce(or_, map(policy.effective_bits, side_facts), rights),
                next(filter(None, side_facts), None),
            )
        elif type_name in ACCOUNT_PARTS:
            table, user_column = ACCOUNT_PARTS[type_name]
            account = row if table == "accounts" else await fetch_value(table, "account_id", row)
            self_bit = SELF_BIT if user_column and await fetch_value(table, user_column, row) == user_key else 0
            if type_name == "Invitation":
                self_bit = SELF_BIT if await fetch_value(table, "lower(email)", row) == person.email else 0
            facts = await self.grant_facts(name, account)
            rights |= self_bit | policy.effective_bits(facts)
            if type_name in CREATOR_COLUMNS and (type_name == "Export" or not rights & DOCUMENTS_READ_ALL):
                creator = await fetch_value(table, CREATOR_COLUMNS[type_name], row)
                rights = rights if creator in {None, user_key} else PUBLIC_BIT | AUTHENTICATED_BIT
            if type_name == "Grant":
                sql = "SELECT e.bureau_id FROM grants g JOIN engagements e ON e.id = g.engagement_id WHERE g.id = $1"
                bureau = await db.fetch_one(sql, row, row=db.Row)
                rights |= await self.permissions(name, bureau.bureau_id) & USERS_READ if bureau else 0
        else:
            facts = None
        return rights, facts

    async def permissions(self, name: str, account: UUID) -> int:
        """A caller's permissions in an account."""
        return policy.effective_bits(await self.grant_facts(name, account))


SHARED_ACCOUNTS: Final = """SELECT account_id FROM grants WHERE user_id = $1
UNION SELECT account_id FROM access_requests WHERE requester_id = $1 AND account_id IS NOT NULL"""
"""The accounts in which USERS_READ is enough to read the whole user."""
MEMBERSHIP: Final = "SELECT FROM grants WHERE user_id = $1 AND account_id = $2 LIMIT 1"
"""Finds a user with a grant on an account. A caller there is refused for the reason of that account."""
DOCUMENT_LINES: Final = """(SELECT l.id, d.account_id, d.created_by_id FROM document_lines l
    JOIN sales_documents d ON d.id = l.document_id) lines"""
DOCUMENT_PAYMENTS: Final = DOCUMENT_LINES.replace("document_lines", "document_payments")
DOCUMENT_DELIVERIES: Final = DOCUMENT_LINES.replace("document_lines", "document_deliveries")
CREATOR_COLUMNS: Final = {
    "Event": "creator_id",  # null for an event that has no scope
    "Document": "created_by_id",
    "DocumentLine": "created_by_id",
    "DocumentPayment": "created_by_id",
    "DocumentDelivery": "created_by_id",
    "Export": "created_by_id",
}
"""Types with a row scope, each with the column of the creator. No permission shows the exports of others."""
ACCOUNT_PARTS: Final = {
    "Account": ("accounts", ""),
    "AccountSettings": ("accounts", ""),
    "AccountSubscription": ("accounts", ""),
    "AccountLink": ("accounts", ""),
    "Seats": ("accounts", ""),
    **dict.fromkeys(("AccountReports", "MonthRevenue", "ContactRevenue", "MonthVat", "OpenItems"), ("accounts", "")),
    **dict.fromkeys(("MonthMargin", "ContactMargin"), ("accounts", "")),
    "Grant": ("grants", "user_id"),
    "Invitation": ("invitations", ""),
    "AccessRequest": ("access_requests", "requester_id"),
    "EngagementRequest": ("engagement_requests", ""),
    "SubscriptionEntry": ("subscription_entries", ""),
    "Event": ("events", "actor_id"),
    "Message": ("messages", ""),
    "OwnershipTransfer": ("ownership_transfers", "receiver_id"),
    "Contact": ("contacts", ""),
    "Product": ("products", ""),
    "Document": ("sales_documents", ""),
    "DocumentLine": (DOCUMENT_LINES, ""),
    "Expense": ("expenses", ""),
    "DocumentPayment": (DOCUMENT_PAYMENTS, ""),
    "DocumentDelivery": (DOCUMENT_DELIVERIES, ""),
    "Export": ("exports", ""),
}
"""Types whose rights come from an account: the table, and the column with the user that the row belongs to."""


def key(text: str) -> UUID:
    """The primary key in a global id."""
    type_and_key = ids.decode_any(text)
    assert type_and_key is not None, text
    return type_and_key[1]


async def fetch_value(table: str, column: str, row_key: UUID | None) -> Any:  # a column of any table
    """One column of the row with a key. None if there is no row."""
    row = await db.fetch_one(f"SELECT {column} AS value FROM {table} WHERE id = $1", row_key, row=db.Row)
    return row and row.value


@asynccontextmanager
async def application(url: str, executor: Literal["compiled", "reference"], clock: Clock) -> AsyncGenerator[Api]:
    """A client of the application on a database, with one of the two executors."""
    settings = Settings(
        env="development",
        database_url=url,
        secret_key=KEY,
        public_url=PUBLIC_URL,
        mail_from="Fullmakt <no-reply@example.com>",
        executor=executor,
        free_seats=10_000,
        # A document that selects every field is larger than any that a front end sends.
        max_tokens=20_000,
        max_fields=5_000,
        max_depth=50,
        max_aliases=1_000,
        max_directives=1_000,
        max_cost=1_000_000_000,
        budget=0,
    )
    async with run_application(app.create(settings, clock=clock)) as http:
        yield Api(http, clock)


async def create_world(api: Api) -> World:
    """Create a world on an empty database."""
    world = World(api)
    owner = await api.person("owner@example.com", "Anna Nowak", accountName="Nowak AS")
    world.people["owner"] = owner
    for name, (role, permissions) in GUESTS.items():
        allowlist = {"permissions": permissions} if permissions is not None else {}
        world.people[name], _ = await api.guest(owner, f"{name.replace(' ', '-')}@example.com", role, **allowlist)
    world.people["revoked"], revoked_grant = await api.guest(owner, "revoked@example.com", "ADMINISTRATOR")
    assert (await api.do("revokeGrant", {"grantId": revoked_grant}, by=owner))["errors"] == []
    world.people["stranger"] = await api.person("stranger@example.com", "Stig Storm", accountName="Storm AS")
    world.people["anonymous"] = None
    payload = await api.do("createAccount", {"name": "Side AS"}, "account { id }", by=owner)
    world.side_account_id = payload["account"]["id"]
    caller = Caller(now=api.clock(), config=OperationConfig(KEY))
    for number, account in enumerate((owner.account_id, world.side_account_id)):
        world.account_number = await fetch_value("accounts", "number", key(account))
        await subscription.credit(caller, world.account_number, 1000, reference=f"order {number}")
    world.account_number = await fetch_value("accounts", "number", key(owner.account_id))
    values = {"accountId": owner.account_id, "payerAccountId": world.side_account_id, "days": 10}
    assert (await api.do("extendSubscription", values, by=owner))["errors"] == []
    world.partner = await api.person("partner@example.com", "Per Partner", accountName="Partner AS")
    await db.execute("UPDATE accounts SET kind = 'BUREAU', invoice_prefix = '' WHERE id = $1", key(owner.account_id))
    values = {"bureauAccountId": owner.account_id, "clientNumber": 10_000_000}
    assert (await api.do("engageBureau", values, by=owner))["errors"] == []
    engagement = await world.request_engagement()
    assert (await api.do("acceptEngagement", {"engagementId": engagement}, by=owner))["errors"] == []
    bureau = ids.encode("Account", await fetch_value("engagements", "bureau_id", key(engagement)))
    values = {"bureauAccountId": bureau, "userId": world.partner.user_id, "clientAccountIds": [owner.account_id]}
    payload = await api.do("assignConsultant", values, "outcomes { errors { code } }", by=world.partner)
    assert payload == {"outcomes": [{"errors": []}], "errors": []}
    await api.do(
        "inviteUser", {"accountId": owner.account_id, "email": "pending@example.com", "role": "CONSULTANT"}, by=owner
    )
    world.invitation_token = await api.link("pending@example.com", "invitation")
    values = {"accountId": owner.account_id, "userId": world.person("collaborator").user_id, "password": PASSWORD}
    assert (await api.do("transferOwnership", values, by=owner))["errors"] == []
    # The guest owns another account, so that it and the world's account are linked.
    neighbour = await api.person("neighbour@example.com", "Nina Neighbour", accountName="Neighbour AS")
    offer = {"accountId": owner.account_id, "email": neighbour.email, "role": "SIMPLE_USER"}
    assert (await api.do("inviteUser", offer, by=owner))["errors"] == []
    values = {"token": await api.link(neighbour.email, "invitation")}
    assert (await api.do("acceptInvitation", values, by=neighbour))["errors"] == []
    for name in ("revoked", "stranger"):
        await world.request_access(world.person(name), world.account_number)
    for name in (*GUESTS, "revoked", "stranger"):
        await world.ensure_invitation(world.person(name))
    await _fill_workspace(world)
    values = {"newEmail": "new-owner@example.com", "password": PASSWORD}
    assert (await api.do("changeEmail", values, by=owner))["errors"] == []
    await _load_objects(world, key(owner.account_id))
    return world


async def _fill_workspace(world: World) -> None:
    """Create objects of each type of the workspace."""
    contact = await world.create("Contact", name="Kunde AS", country="NO", email="kunde@example.com", locale="nb")
    product = await world.create("Product", name="Paper", price="9.90", purchasePrice="4.20", vatRate="25", unit="kg")
    world.objects |= {"Contact": [contact], "Product": [product]}
    amounts = [{"vatRate": "25", "netAmount": "100"}]
    values = {"contactId": contact, "spentOn": "2026-03-01", "amounts": amounts, "reference": "F-1", "note": "Paper"}
    _ = await world.create("Expense", **values)
    document = {"documentId": await world.create_draft(world.owner)}
    for mutation in ("issueDocument", "sendDocument", "createCreditNote"):
        assert (await world.api.do(mutation, document, by=world.owner))["errors"] == []
    assert (await world.api.do("recordPayment", document | {"amount": "1"}, by=world.owner))["errors"] == []
    _ = await world.create_export(world.owner)


async def _load_objects(world: World, account: UUID) -> None:
    """Load the ids of the account's objects, some of each type."""
    parts = ["Grant", "Invitation", "AccessRequest", "EngagementRequest", "SubscriptionEntry", "OwnershipTransfer"]
    parts += [
        "Contact",
        "Product",
        "Expense",
        "Document",
        "DocumentLine",
        "DocumentPayment",
        "DocumentDelivery",
        "Export",
    ]
    tables = {name: f"SELECT id FROM {ACCOUNT_PARTS[name][0]} WHERE account_id = $1" for name in parts} | {
        "Engagement": "SELECT id FROM engagements WHERE $1 IN (bureau_id, client_id)",
        "Event": "SELECT id FROM events WHERE account_id = $1 ORDER BY id LIMIT 20",
        "Message": "SELECT id FROM messages WHERE account_id = $1 ORDER BY id LIMIT 5",
        "User": "SELECT user_id AS id FROM grants WHERE account_id = $1",
        "Session": "SELECT s.id FROM sessions s JOIN grants g USING (user_id) WHERE g.account_id = $1",
        "Account": "SELECT $1::uuid AS id",
    }
    for type_name, sql in tables.items():
        world.objects[type_name] = [ids.encode(type_name, row.id) for row in await db.fetch(sql, account, row=db.Row)]
        assert world.objects[type_name], type_name


__all__ = ["CALLERS", "EXECUTORS", "GUESTS", "INSIDERS", "PASSWORD", "World", "application", "create_world", "key"]
