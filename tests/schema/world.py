"""One account with every kind of object in it, and everybody who could look at it.

The world also says what each of them may see of a row: from the rows themselves and the permission
table, by a way of its own beside the resolvers'.
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
from auth.rules import AUTHENTICATED, PUBLIC, SELF
from database import db
from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from resolvers import ids
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, Person, running

NUMBERS = count(1)
EXECUTORS: Final[tuple[Literal["compiled", "reference"], ...]] = ("compiled", "reference")
EVERYTHING = policy.permissions(policy.ROLES[Role.CONSULTANT])
GUESTS: Final[dict[str, tuple[Role, Sequence[Permission] | None]]] = {
    "administrator": (Role.ADMINISTRATOR, None),
    "collaborator": (Role.COLLABORATOR, None),
    "accountant": (Role.ACCOUNTANT, None),
    "consultant": (Role.CONSULTANT, EVERYTHING),
    "consultant with little": (Role.CONSULTANT, [Permission.DOCUMENTS_READ]),
    "simple user": (Role.SIMPLE_USER, None),
    "simple user with little": (Role.SIMPLE_USER, [Permission.DOCUMENTS_READ]),
}
OUTSIDERS: Final = ("revoked", "stranger", "anonymous")
EVERYBODY: Final = ("owner", *GUESTS, *OUTSIDERS)
INSIDERS: Final = ("owner", *GUESTS)
USERS_READ = policy.mask([Permission.USERS_READ])


@dataclass
class World:
    """The account, its people, and the ids of what is in it."""

    api: Api
    people: dict[str, Person | None] = field(default_factory=dict[str, Person | None])
    objects: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    invitation_token: str = ""
    number: int = 0
    side: str = ""
    """A second account of the owner, which guests join and leave."""
    partner: Person | None = None
    """Whose accounts deal with the owner's, which is a bureau: bureaus of its own, and clients."""
    walks: dict[str, object] = field(default_factory=dict[str, object])
    payloads: list[object] = field(default_factory=list[object])
    """What walks and payloads came by, kept for the question whether anything was left out."""
    fresh: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def owner(self) -> Person:
        """The account's owner."""
        return self.somebody("owner")

    def somebody(self, name: str) -> Person:
        """One of the people who are signed in."""
        found = self.people[name]
        assert found is not None
        return found

    def address(self) -> str:
        """An address that nobody has had yet."""
        return f"new-{next(self.fresh)}@example.com"

    async def begin(self) -> None:
        """Forget what was tried and mailed before: everybody does everything on one day here."""
        await db.execute("UPDATE guesses SET tried = '{}'")

    async def without_factor(self, person: Person) -> None:
        """Make the password enough for somebody again."""
        await db.execute("DELETE FROM second_factors WHERE user_id = $1", key(person.user_id))

    async def grant_of(self, person: Person, account: str) -> str | None:
        """The id of somebody's live grant on an account."""
        sql = "SELECT id FROM grants WHERE user_id = $1 AND account_id = $2 AND status = 'ACTIVE'"
        found = await db.fetch_one(sql, key(person.user_id), key(account), row=db.Row)
        return ids.encode("Grant", found.id) if found else None

    async def offered(self, person: Person) -> str:
        """The id of a pending invitation of somebody to the owner's other account."""
        if (grant := await self.grant_of(person, self.side)) is not None:
            assert (await self.api.do("resignGrant", {"grantId": grant}, by=person))["errors"] == []
        sql = "SELECT id FROM invitations WHERE lower(email) = $1 AND account_id = $2 AND status = 'PENDING'"
        found = await db.fetch_one(sql, person.email, key(self.side), row=db.Row)
        if found is not None:
            return ids.encode("Invitation", found.id)
        given = {"accountId": self.side, "email": person.email, "role": "SIMPLE_USER"}
        done = await self.api.do("inviteUser", given, "invitation { id }", by=self.owner)
        assert done["errors"] == []
        return str(done["invitation"]["id"])

    async def joined(self, person: Person) -> str:
        """The id of somebody's grant on the owner's other account."""
        if (grant := await self.grant_of(person, self.side)) is not None:
            return grant
        given = {"invitationId": await self.offered(person)}
        done = await self.api.do("acceptInvitation", given, "grant { id }", by=person)
        assert done["errors"] == []
        return str(done["grant"]["id"])

    async def offered_account(self, person: Person) -> str:
        """The id of one more account of the owner's, whose ownership is offered to somebody."""
        done = await self.api.do("createAccount", {"name": "Offered AS"}, "account { id }", by=self.owner)
        account = str(done["account"]["id"])
        given = {"accountId": account, "email": person.email, "role": "SIMPLE_USER"}
        done = await self.api.do("inviteUser", given, "invitation { id }", by=self.owner)
        given = {"invitationId": done["invitation"]["id"]}
        assert (await self.api.do("acceptInvitation", given, by=person))["errors"] == []
        given = {"accountId": account, "userId": person.user_id, "password": PASSWORD}
        assert (await self.api.do("transferOwnership", given, by=self.owner))["errors"] == []
        return account

    async def invited(self) -> str:
        """The id of a pending invitation of somebody new."""
        given = {"accountId": self.owner.account_id, "email": self.address(), "role": "SIMPLE_USER"}
        done = await self.api.do("inviteUser", given, "invitation { id }", by=self.owner)
        return str(done["invitation"]["id"])

    async def partners(self, kind: str = "BUSINESS") -> tuple[str, int]:
        """The id and number of a new account of the partner's."""
        given = {"name": "Partner AS", "kind": kind}
        done = await self.api.do("createAccount", given, "account { id number }", by=self.partner)
        assert done["errors"] == []
        return done["account"]["id"], done["account"]["number"]

    async def asked(self) -> str:
        """The id of an engagement that a bureau has asked the owner's account for."""
        bureau, _ = await self.partners("BUREAU")
        given = {"bureauAccountId": bureau, "clientNumber": self.number}
        assert (await self.api.do("engageBureau", given, by=self.partner))["errors"] == []
        found = await db.fetch_one("SELECT id FROM engagements WHERE bureau_id = $1", key(bureau), row=db.Row)
        assert found is not None
        return ids.encode("Engagement", found.id)

    async def client(self) -> str:
        """The id of a new account of the partner's that the owner's bureau works for."""
        client, _ = await self.partners()
        given = {"clientAccountId": client, "bureauNumber": self.number}
        assert (await self.api.do("engageBureau", given, by=self.partner))["errors"] == []
        found = await db.fetch_one("SELECT id FROM engagements WHERE client_id = $1", key(client), row=db.Row)
        assert found is not None
        given = {"engagementId": ids.encode("Engagement", found.id)}
        assert (await self.api.do("acceptEngagement", given, by=self.owner))["errors"] == []
        return client

    async def requested(self, person: Person, number: int) -> str:
        """The id of somebody's pending request for access to the account with a number."""
        given = {"accountNumber": number, "role": "SIMPLE_USER"}
        assert (await self.api.do("requestAccess", given, by=person))["errors"] == []
        sql = "SELECT id FROM access_requests WHERE requester_id = $1 AND account_number = $2 AND status = 'PENDING'"
        found = await db.fetch_one(sql, key(person.user_id), number, row=db.Row)
        assert found is not None
        return ids.encode("AccessRequest", found.id)

    # ---- What may be seen --------------------------------------------------------------------

    async def standing(self, name: str, account: UUID | None) -> GrantFacts | None:
        """What the rows say of somebody in an account: no grant that counts is None."""
        person = self.people[name]
        if person is None or account is None:
            return None
        sql = "SELECT role, listed FROM grants WHERE user_id = $1 AND account_id = $2 AND status = 'ACTIVE'"
        found = await db.fetch_one(sql, key(person.user_id), account, row=db.Row)
        if found is None:
            return None
        return GrantFacts(Role(found.role), GrantStatus.ACTIVE, found.listed, 0, 0, subscription_over=False)

    async def rights(self, name: str, type_name: str, row: UUID | None) -> tuple[int, GrantFacts | None]:
        """What somebody may do with an object; `row` is its key, or its account's for parts of one."""
        person = self.people[name]
        if person is None:
            return PUBLIC, None
        me, held = key(person.user_id), PUBLIC | AUTHENTICATED
        if type_name in {"Viewer", "SecondFactor", "Mutation", "Subscription", "AccessChange"}:
            return held | SELF, None
        if type_name == "Session":
            return held | (SELF if await owned("sessions", "user_id", row) == me else 0), None
        if type_name in {"User", "LinkedAccount"}:
            user = row if type_name == "User" else await owned("accounts", "owner_id", row)
            shared = await db.fetch(SHARED, user, row=db.Row)
            reads = [await self.permissions(name, grant.account_id) & USERS_READ for grant in shared]
            return held | (SELF if user == me else 0) | (USERS_READ if any(reads) else 0), None
        if type_name == "Engagement":
            sides = [await owned("engagements", side, row) for side in ("bureau_id", "client_id")]
            standings = [await self.standing(name, side) for side in sides]
            held, standing = reduce(or_, map(policy.effective, standings), held), next(filter(None, standings), None)
        elif type_name in PARTS:
            table, own = PARTS[type_name]
            account = row if table == "accounts" else await owned(table, "account_id", row)
            mine = SELF if own and await owned(table, own, row) == me else 0
            if type_name == "Invitation":
                mine = SELF if await owned(table, "lower(email)", row) == person.email else 0
            standing = await self.standing(name, account)
            held |= mine | policy.effective(standing)
            if type_name == "Grant":
                sql = "SELECT e.bureau_id FROM grants g JOIN engagements e ON e.id = g.engagement_id WHERE g.id = $1"
                bureau = await db.fetch_one(sql, row, row=db.Row)
                held |= await self.permissions(name, bureau.bureau_id) & USERS_READ if bureau else 0
        else:
            standing = None
        return held, standing

    async def permissions(self, name: str, account: UUID) -> int:
        """Somebody's permissions in an account."""
        return policy.effective(await self.standing(name, account))


SHARED: Final = """SELECT account_id FROM grants WHERE user_id = $1
UNION SELECT account_id FROM access_requests WHERE requester_id = $1 AND account_id IS NOT NULL"""
"""The accounts whose readers of users see all of one."""
PARTS: Final = {
    "Account": ("accounts", ""),
    "AccountSettings": ("accounts", ""),
    "AccountSubscription": ("accounts", ""),
    "AccountLink": ("accounts", ""),
    "Seats": ("accounts", ""),
    "Grant": ("grants", "user_id"),
    "Invitation": ("invitations", ""),
    "AccessRequest": ("access_requests", "requester_id"),
    "SubscriptionEntry": ("subscription_entries", ""),
    "Event": ("events", "actor_id"),
    "Message": ("messages", ""),
    "OwnershipTransfer": ("ownership_transfers", "receiver_id"),
}
"""Types whose rights come from an account: their table, and the column that makes one's own."""


def key(text: str) -> UUID:
    """The primary key in a global id."""
    found = ids.decode_any(text)
    assert found is not None, text
    return found[1]


async def owned(table: str, column: str, row: UUID | None) -> Any:  # a column of any table
    """One column of one row."""
    found = await db.fetch_one(f"SELECT {column} AS value FROM {table} WHERE id = $1", row, row=db.Row)
    return found and found.value


@asynccontextmanager
async def application(url: str, executor: Literal["compiled", "reference"], clock: Clock) -> AsyncGenerator[Api]:
    """A client of the application on a database, run by one of the two executors."""
    settings = Settings(
        env="development",
        database_url=url,
        secret_key=KEY,
        public_url=PUBLIC_URL,
        mail_from="Fullmakt <no-reply@example.com>",
        executor=executor,
        free_seats=10_000,
        # Whoever looks at everything at once asks for more than any front end.
        max_tokens=20_000,
        max_fields=5_000,
        max_depth=50,
        max_aliases=1_000,
        max_directives=1_000,
        max_cost=1_000_000_000,
        budget=0,
    )
    async with running(app.create(settings, clock=clock)) as http:
        yield Api(http, clock)


async def created(api: Api) -> World:
    """A world on an empty database."""
    world = World(api)
    owner = await api.person("owner@example.com", "Anna Nowak", accountName="Nowak AS")
    world.people["owner"] = owner
    for name, (role, permissions) in GUESTS.items():
        more = {"permissions": permissions} if permissions is not None else {}
        world.people[name], _ = await api.guest(owner, f"{name.replace(' ', '-')}@example.com", role, **more)
    world.people["revoked"], gone = await api.guest(owner, "revoked@example.com", "ADMINISTRATOR")
    assert (await api.do("revokeGrant", {"grantId": gone}, by=owner))["errors"] == []
    world.people["stranger"] = await api.person("stranger@example.com", "Stig Storm", accountName="Storm AS")
    world.people["anonymous"] = None
    done = await api.do("createAccount", {"name": "Side AS"}, "account { id }", by=owner)
    world.side = done["account"]["id"]
    caller = Caller(now=api.clock(), config=OperationConfig(KEY))
    for number, account in enumerate((owner.account_id, world.side)):
        world.number = await owned("accounts", "number", key(account))
        await subscription.credit(caller, world.number, 1000, reference=f"order {number}")
    world.number = await owned("accounts", "number", key(owner.account_id))
    given = {"accountId": owner.account_id, "payerAccountId": world.side, "days": 10}
    assert (await api.do("extendSubscription", given, by=owner))["errors"] == []
    world.partner = await api.person("partner@example.com", "Per Partner", accountName="Partner AS")
    await db.execute("UPDATE accounts SET kind = 'BUREAU' WHERE id = $1", key(owner.account_id))
    engagement = await world.asked()
    assert (await api.do("acceptEngagement", {"engagementId": engagement}, by=owner))["errors"] == []
    bureau = ids.encode("Account", await owned("engagements", "bureau_id", key(engagement)))
    given = {"bureauAccountId": bureau, "userId": world.partner.user_id, "clientAccountIds": [owner.account_id]}
    done = await api.do("assignConsultant", given, "outcomes { errors { code } }", by=world.partner)
    assert done == {"outcomes": [{"errors": []}], "errors": []}
    await api.do(
        "inviteUser", {"accountId": owner.account_id, "email": "pending@example.com", "role": "CONSULTANT"}, by=owner
    )
    world.invitation_token = await api.link("pending@example.com", "invitation")
    given = {"accountId": owner.account_id, "userId": world.somebody("collaborator").user_id, "password": PASSWORD}
    assert (await api.do("transferOwnership", given, by=owner))["errors"] == []
    # A guest with an account of his own, so that it and the owner's are linked.
    neighbour = await api.person("neighbour@example.com", "Nina Neighbour", accountName="Neighbour AS")
    offer = {"accountId": owner.account_id, "email": neighbour.email, "role": "SIMPLE_USER"}
    assert (await api.do("inviteUser", offer, by=owner))["errors"] == []
    given = {"token": await api.link(neighbour.email, "invitation")}
    assert (await api.do("acceptInvitation", given, by=neighbour))["errors"] == []
    for name in ("revoked", "stranger"):
        await world.requested(world.somebody(name), world.number)
    for name in (*GUESTS, "revoked", "stranger"):
        await world.offered(world.somebody(name))
    await _find(world, key(owner.account_id))
    return world


async def _find(world: World, account: UUID) -> None:
    """The ids of everything in the account, of each type some."""
    tables = {
        "Grant": "SELECT id FROM grants WHERE account_id = $1",
        "Invitation": "SELECT id FROM invitations WHERE account_id = $1",
        "Engagement": "SELECT id FROM engagements WHERE $1 IN (bureau_id, client_id)",
        "AccessRequest": "SELECT id FROM access_requests WHERE account_id = $1",
        "SubscriptionEntry": "SELECT id FROM subscription_entries WHERE account_id = $1",
        "Event": "SELECT id FROM events WHERE account_id = $1 ORDER BY id LIMIT 20",
        "Message": "SELECT id FROM messages WHERE account_id = $1 ORDER BY id LIMIT 5",
        "OwnershipTransfer": "SELECT id FROM ownership_transfers WHERE account_id = $1",
        "User": "SELECT user_id AS id FROM grants WHERE account_id = $1",
        "Session": "SELECT s.id FROM sessions s JOIN grants g USING (user_id) WHERE g.account_id = $1",
        "Account": "SELECT $1::uuid AS id",
    }
    for type_name, sql in tables.items():
        rows = await db.fetch(sql, account, row=db.Row)
        world.objects[type_name] = [ids.encode(type_name, row.id) for row in rows]
        assert rows, type_name


__all__ = ["EVERYBODY", "EXECUTORS", "GUESTS", "INSIDERS", "PASSWORD", "World", "application", "created", "key"]
