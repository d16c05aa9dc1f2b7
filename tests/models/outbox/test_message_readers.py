"""Readers of an account's messages: each parameter of a subject has the rule of the field that it copies."""

from datetime import datetime
from typing import Any, Final

import pytest

from auth.policy import Permission
from models.outbox.message import Message
from models.outbox.message_kind import SUBJECT_RULES, MessageKind
from resolvers import ids
from tests.api import Api, Person
from tests.schema.walk import rule

SOURCES: Final = {
    "account_name": "Account.name",
    "number": "AccountSettings.bankAccountNumber",  # or an organization number, which less permission guards
    "payer_name": "SubscriptionEntry.counterpart",
    "receiver_name": "SubscriptionEntry.counterpart",
    "sender_email": "User.email",
    "invitee_email": "Invitation.email",
    "invited_email": "Invitation.email",
    "requester_email": "User.email",
    "holder_name": "Grant.user",
    "actor_name": "Grant.user",
    "consultant_name": "Grant.user",
    "asker_name": "Engagement.client",
    "bureau_name": "Engagement.bureau",
    "client_name": "Engagement.client",
    "document_number": "Document.number",
}
"""The field of the schema that shows the same value as the parameter of a subject."""
MESSAGE: Final = "kind to subject withheld"
P = Permission


@pytest.mark.parametrize("name", SUBJECT_RULES)
def test_parameter_of_a_subject_has_the_permission_of_the_field_that_it_copies(name: str) -> None:
    type_name, field = SOURCES[name].split(".")

    assert SUBJECT_RULES[name].permission is rule(type_name, field).permission
    assert any(name in kind.subject_rules for kind in MessageKind), "no subject has this parameter"


async def create_all(account_id: str, now: datetime) -> None:
    """Create a message of each kind. Each parameter and receiver is a text that no other has."""
    for kind in MessageKind:
        _ = await Message.create(
            account_id=ids.decode("Account", account_id),
            kind=kind,
            to_address=f"receiver-of-{kind}@example.com",
            locale="en",
            params={name: f"{name}-of-{kind}" for name in kind.subject_rules},
            created_at=now,
            next_attempt_at=now,
        )


async def read_all(api: Api, by: Person, account_id: str) -> dict[str, dict[str, Any]]:
    """The messages with a made-up receiver, or without one, by kind. `nodes(ids)` shows the same."""
    query = f"query ($id: ID!) {{ account(id: $id) {{ messages(first: 100) {{ nodes {{ id {MESSAGE} }} }} }} }}"
    nodes = (await api.ask(query, {"id": account_id}, by=by)).data["account"]["messages"]["nodes"]
    by_ids = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Message {{ id {MESSAGE} }} }} }}"
    assert (await api.ask(by_ids, {"ids": [node["id"] for node in nodes]}, by=by)).data["nodes"] == nodes
    return {node["kind"]: node for node in reversed(nodes)}  # the newest of each kind: those of `create_all`


@pytest.mark.parametrize(
    "granted",
    [(), (P.USERS_READ,), (P.SETTINGS_READ,), (P.SUBSCRIPTION_READ,), (P.DOCUMENTS_READ, P.DOCUMENTS_READ_ALL)],
)
async def test_reader_reads_exactly_the_values_of_their_permissions(api: Api, granted: tuple[Permission, ...]) -> None:
    owner = await api.person("owner@example.com")
    permissions = {P.MESSAGES_READ, *granted}
    reader, _ = await api.guest(owner, "reader@example.com", "CONSULTANT", permissions=[*permissions])
    await create_all(owner.account_id, api.clock())

    await check(api, reader, owner.account_id, permissions | {P.ACCOUNT_READ})
    await check(api, owner, owner.account_id, {*P})


async def check(api: Api, reader: Person, account_id: str, permissions: set[Permission]) -> None:
    nodes = await read_all(api, reader, account_id)
    kinds = [kind for kind in MessageKind if kind.hiding_permission in {None, *permissions}]
    assert nodes.keys() == {kind.value for kind in kinds}
    for kind in kinds:
        is_receiver_readable = kind.receiver_rule.permission in permissions
        params = {
            name: f"{name}-of-{kind}" if name_rule.permission in permissions else "…"
            for name, name_rule in kind.subject_rules.items()
        }
        assert nodes[kind] == nodes[kind] | {
            "to": f"receiver-of-{kind}@example.com" if is_receiver_readable else "…",
            "subject": kind.subject % params,
            "withheld": [
                *([] if is_receiver_readable else ["to"]),
                *(["subject"] if "…" in params.values() else []),
            ],
        }
