"""Each fact of each type of event has the rule of the field that it copies, and is cut by it on every path."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest

from auth.policy import Permission
from auth.rules import SELF, SELF_BIT, Rule
from database import db
from models.audit import event, event_facts
from models.audit.event_facts import UndeclaredFact
from models.audit.event_type import EventType, EventTypeEnum, all_types
from models.base.caller import Caller, OperationConfig
from resolvers import ids
from tests.api import KEY, Api, Person
from tests.event_stream import EventStream, follow
from tests.models.privacy.test_export import export
from tests.schema.walk import TYPES, rule

# ---- Declarations ----------------------------------------------------------------------------

P = Permission
SOURCES: Final[dict[Permission, dict[str, str]]] = {
    P.ACCOUNT_READ: {
        "name": "Account.name",
        "kind": "Account.kind",
        "country": "Account.country",
        "organization_number": "Account.organizationNumber",
        "closes_at": "Account.closesAt",
    },
    P.SETTINGS_READ: {
        "invoice_prefix": "AccountSettings.invoicePrefix",
        "vat_number": "AccountSettings.vatNumber",
        "bank_account_number": "AccountSettings.bankAccountNumber",
        "default_currency": "AccountSettings.defaultCurrency",
        "default_locale": "AccountSettings.defaultLocale",
        "payment_term_days": "AccountSettings.paymentTermDays",
        "simple_user_restrictions": "AccountSettings.simpleUserRestrictions",
        "locks": "AccountSettings.locks",
        "requires_two_factor": "AccountSettings.requiresTwoFactor",
        # A claimed number: an organization number or a bank account.
        "kind": "AccountSettings.bankAccountNumber",
        "number": "AccountSettings.bankAccountNumber",
        "moves_at": "AccountSettings.bankAccountNumber",
    },
    P.USERS_READ: {
        "grant": "Grant.id",
        "user": "Grant.user",
        "role": "Grant.role",
        "permissions": "Grant.permissions",
        "valid_until": "Grant.validUntil",
        "status": "Grant.status",
        "invitation": "Invitation.id",
        "email": "Invitation.email",
        "grant_valid_until": "Invitation.grantValidUntil",
        "expires_at": "Invitation.expiresAt",
        "access_request": "AccessRequest.id",
        "requester": "AccessRequest.requester",
        "account_number": "AccessRequest.accountNumber",
        "organization_number": "AccessRequest.organizationNumber",
        "country": "AccessRequest.country",
        "engagement": "Engagement.id",
        "client": "Engagement.client",
        "asked_by": "Engagement.client",
        "client_number": "Engagement.client",
        "client_organization_number": "Engagement.client",
        "client_country": "Engagement.client",
        "bureau_number": "Engagement.bureau",
        "engagement_request": "Engagement.id",
        "consultant_permissions": "Engagement.consultantPermissions",
        "consultant_valid_until": "Engagement.consultantValidUntil",
        "purchased": "Seats.purchased",
        # A raised limit of invitations.
        "limit": "Invitation.id",
        "per_day": "Invitation.id",
        "ends_at": "Invitation.id",
        # The record of an erasure: the events that named the erased user.
        "parts": "User.email",
        "migrated": "User.email",
    },
    P.SUBSCRIPTION_READ: {
        "valid_until": "AccountSubscription.validUntil",
        "days": "SubscriptionEntry.days",
        "lost_days": "SubscriptionEntry.days",
        "reference": "SubscriptionEntry.kind",
    },
    P.OWNERSHIP: {
        "transfer": "OwnershipTransfer.id",
        "owner": "OwnershipTransfer.offeredBy",
        "receiver": "OwnershipTransfer.receiver",
        "expires_at": "OwnershipTransfer.expiresAt",
        "status": "OwnershipTransfer.id",
    },
    P.DOCUMENTS_READ_ALL: {
        "corrected": "Document.id",
        "row_count": "Document.id",
        "documents": "Document.id",
    },
    P.DOCUMENTS_READ: {
        "changed": "Document.id",
        "amount": "Document.paidAmount",
    },
    # The permission that was refused.
    P.EVENTS_READ: {"permission": "Event.type"},
}
"""For each permission of a fact, the field of the schema that shows the same value.

Facts of modules have the names of the fields that they copy.
"""
WITHOUT_OTHERS: Final = {P.DOCUMENTS_READ_ALL: P.DOCUMENTS_READ}
"""The permission of a field whose rows of others need more: events do not tell whose document it is."""
TYPES_WITH_FACTS = [member for member in all_types() if member.facts]
RECORDED = [
    member
    for member in TYPES_WITH_FACTS
    if any(fact_rule.permission for fact_rule in member.facts.values()) and member is not EventType.ACCOUNT_DATA_ERASE
]
"""The types of accounts with facts. The database alone records erasures."""
ADDRESS: Final = "192.0.2.77"


def permission_by_name(member: EventTypeEnum, name: str) -> Permission | None:
    """The permission of the field of the same name, in the type that the event's subject names. None without one."""
    subject = member.split(":")[1]
    type_name = "".join(word.capitalize() for word in subject.split("-"))
    first, *rest = ("id" if name == subject else name).split("_")
    field = first + "".join(word.capitalize() for word in rest)
    return rule(type_name, field).permission if type_name in TYPES and field in TYPES[type_name].fields else None


@pytest.mark.parametrize("member", TYPES_WITH_FACTS)
def test_fact_has_the_permission_of_the_field_that_it_copies(member: EventTypeEnum) -> None:
    for name, fact_rule in member.facts.items():
        if fact_rule.permission is None:
            assert fact_rule == SELF, name
            assert not member.startswith("account:"), f"{name}: facts in accounts need a permission"
            continue
        assert not fact_rule.bits & SELF_BIT, f"{name}: a user who has left the account would read it"
        if name not in SOURCES.get(fact_rule.permission, {}):
            permission = WITHOUT_OTHERS.get(fact_rule.permission, fact_rule.permission)
            assert permission is permission_by_name(member, name), f"Add the source of {member} {name}"


@pytest.mark.parametrize(
    ("permission", "coordinate"),
    [(permission, coordinate) for permission, fields in SOURCES.items() for coordinate in fields.values()],
)
def test_source_of_a_fact_needs_the_same_permission(permission: Permission, coordinate: str) -> None:
    type_name, name = coordinate.split(".")

    assert rule(type_name, name).permission is WITHOUT_OTHERS.get(permission, permission)


async def test_fact_without_a_rule_is_neither_written_nor_read(api: Api) -> None:
    caller = Caller(now=api.clock(), config=OperationConfig(KEY))

    with pytest.raises(UndeclaredFact, match="account:grant:give declares no rule for iban"):
        await event.record(caller, EventType.GRANT_GIVE, after={"iban": "x", "role": "OWNER"})

    assert await db.fetch("SELECT FROM events", row=db.Row) == []
    assert event_facts.cut(EventType.GRANT_GIVE, {"iban": "x"}, ~0) == {}
    assert event_facts.withheld(EventType.GRANT_GIVE, ('{"iban": "x"}', None), ~0) == ["iban"]


# ---- All types on all paths ------------------------------------------------------------------

EVENT = "id type before after withheld ipAddress"
STREAM = f"subscription ($id: ID!) {{ accountEvents(accountId: $id) {{ {EVENT} }} }}"


@dataclass
class Reader:
    """A reader of an account with EVENTS_READ and some other permissions."""

    person: Person
    permissions: frozenset[Permission]

    def may_read(self, fact_rule: Rule) -> bool:
        """True if the reader has the permission of a fact."""
        return fact_rule.permission in self.permissions | {P.EVENTS_READ, P.ACCOUNT_READ}


async def add_reader(api: Api, owner: Person, permissions: set[Permission]) -> Reader:
    listed = ["EVENTS_READ", *permissions]
    person, _ = await api.guest(owner, "reader@example.com", "CONSULTANT", permissions=listed)
    return Reader(person, frozenset(permissions))


def marker(member: EventTypeEnum, side: str, name: str) -> str:
    return f"{side}-{name}-of-{member}"


async def record_all(account_id: str, actor: Person, now: datetime) -> None:
    """Record an event of each type, with a text in each fact that no other fact has."""
    caller = Caller(now=now, config=OperationConfig(KEY), ip_address=ADDRESS)
    actor_id, account_key = ids.decode("User", actor.user_id), ids.decode("Account", account_id)
    for member in RECORDED:
        before, after = ({name: marker(member, side, name) for name in member.facts} for side in ("before", "after"))
        await event.record(
            caller,
            member,
            account_id=account_key,
            actor_id=actor_id,
            creator_id=actor_id,
            before=before,
            after=after,
        )


def check(nodes: list[dict[str, Any]], reader: Reader) -> None:
    """Assert that a reader, who is the actor, reads exactly the facts whose permission they have."""
    node_by_type = {node["type"]: node for node in nodes if node["ipAddress"] == ADDRESS}
    assert node_by_type.keys() == {member.value for member in RECORDED}
    for member in RECORDED:
        node = node_by_type[member.value]
        readable = {name for name, fact_rule in member.facts.items() if reader.may_read(fact_rule)}
        for side in ("before", "after"):
            assert node[side] == {name: marker(member, side, name) for name in readable}, (member, reader)
        assert node["withheld"] == sorted(member.facts.keys() - readable)


async def next_nodes(stream: EventStream, count: int) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    while len(nodes) < count:
        nodes.append((await stream.answer()).data["accountEvents"])
    return nodes


@pytest.mark.parametrize("permission", [None, P.SETTINGS_READ, P.USERS_READ, P.SUBSCRIPTION_READ])
async def test_reader_reads_exactly_the_facts_of_their_permissions(api: Api, permission: Permission | None) -> None:
    owner = await api.person("owner@example.com", accountName="Owner AS")
    reader = await add_reader(api, owner, {permission} if permission else set())
    async with follow(api, STREAM, {"id": owner.account_id}, by=reader.person) as stream:
        await stream.wait_until_open()
        # The reader is the actor: own acts are no permission.
        await record_all(owner.account_id, reader.person, api.clock())
        streamed_nodes = await next_nodes(stream, len(RECORDED))
    query = f"query ($id: ID!) {{ account(id: $id) {{ events(first: 100) {{ nodes {{ {EVENT} }} }} }} }}"
    account = (await api.ask(query, {"id": owner.account_id}, by=reader.person)).data["account"]
    viewer = (await api.ask(f"{{ viewer {{ events(first: 100) {{ nodes {{ {EVENT} }} }} }} }}", by=reader.person)).data
    by_ids = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Event {{ {EVENT} }} }} }}"
    event_ids = [node["id"] for node in streamed_nodes]
    nodes = (await api.ask(by_ids, {"ids": event_ids}, by=reader.person)).data["nodes"]

    for path in (streamed_nodes, account["events"]["nodes"], viewer["viewer"]["events"]["nodes"], nodes):
        check(path, reader)
    exported_rows = {
        row["type"]: row for row in (await export(api, reader.person))["events"] if row["request_id"] is None
    }
    for member in RECORDED:
        readable = {name for name, fact_rule in member.facts.items() if reader.may_read(fact_rule)}
        assert exported_rows[member]["after"] == {name: marker(member, "after", name) for name in readable}


async def test_owner_reads_all_facts(api: Api) -> None:
    owner = await api.person("owner@example.com", accountName="Owner AS")
    await record_all(owner.account_id, owner, api.clock())
    query = f"{{ viewer {{ currentAccount {{ events(first: 100) {{ nodes {{ {EVENT} }} }} }} }} }}"

    nodes = (await api.ask(query, by=owner)).data["viewer"]["currentAccount"]["events"]["nodes"]
    check(nodes, Reader(owner, frozenset(P)))
