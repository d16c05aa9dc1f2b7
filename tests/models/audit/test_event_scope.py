"""Events about rows with a row scope exist, on each path, only for the creator of the row or with the permission."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest

from database import db
from models.audit import event, event_scope
from models.audit.event_type import all_types
from models.base.caller import Caller, OperationConfig
from models.live.hub import Hub
from models.people.session import Session
from resolvers import ids
from tests.api import KEY, Api, Person, codes
from tests.commands.test_events import tamper, verify
from tests.conftest import connect
from tests.event_stream import follow
from tests.models.audit.test_upgrade import migrate
from tests.models.lists.test_long_lists import FEW_ROWS, Statements, rows_read
from tests.models.privacy.test_export import export
from tests.models.refusals import attempt
from tests.models.sharing.views import ask_in_view
from tests.workspace.documents import draft_id, issued_id
from tests.workspace.test_document import OWN_ONLY
from workspace.event_type import WorkspaceEventType

EVENT: Final = "id type before after withheld actor { id }"
DOCUMENTS: Final = {"type": "account:document"}
LOCK: Final = {"locks": ["DOCUMENTS_DELETE"]}
NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)


async def account_events(
    api: Api, by: Person, event_filter: Mapping[str, object] = DOCUMENTS, **page: object
) -> dict[str, Any]:
    """The connection of an account's events."""
    query = f"""query ($id: ID!, $filter: EventFilter, $first: Int, $after: String) {{
        account(id: $id) {{ events(filter: $filter, first: $first, after: $after) {{
            totalCount totalCountIsCapped nodes {{ {EVENT} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
    answer = await api.ask(query, {"id": by.account_id, "filter": event_filter, **page}, by=by)
    connection: dict[str, Any] = answer.data["account"]["events"]
    return connection


async def viewer_events(api: Api, by: Person) -> list[dict[str, Any]]:
    """The user's own events about documents."""
    query = f"{{ viewer {{ events(first: 100) {{ totalCount nodes {{ {EVENT} }} }} }} }}"
    events = (await api.ask(query, by=by)).data["viewer"]["events"]
    assert events["totalCount"] == len(events["nodes"])
    return [node for node in events["nodes"] if "document" in node["type"]]


async def owner_and_guests(api: Api) -> tuple[Person, Person, Person]:
    """An owner, a guest without DOCUMENTS_READ_ALL, and one with it. Owner and first guest have issued an invoice."""
    anna = await api.person("anna@example.com")
    own_only, _ = await api.guest(anna, "own@example.com", "CONSULTANT", permissions=OWN_ONLY)
    reads_all, _ = await api.guest(anna, "all@example.com", "CONSULTANT", permissions=[*OWN_ONLY, "DOCUMENTS_READ_ALL"])
    await add_hidden_events(api, anna)
    _ = await issued_id(api, own_only)
    return anna, own_only, reads_all


async def add_hidden_events(api: Api, anna: Person) -> str:
    """Events about a document of the owner: four changes, and a refusal. Returns the id of the document."""
    document = await issued_id(api, anna)
    locks = {"accountId": anna.account_id}
    assert codes(await api.do("updateAccountSettings", locks | LOCK, by=anna)) == []
    assert (await attempt(api, "deleteDocument", {"documentId": document}, by=anna)).codes == ["FORBIDDEN"]
    assert codes(await api.do("updateAccountSettings", locks | {"locks": []}, by=anna)) == []
    assert codes(await api.do("recordPayment", {"documentId": document, "amount": "1"}, by=anna)) == []
    return document


def document_keys(nodes: list[dict[str, Any]]) -> set[str]:
    """The keys of the documents that the facts of events name."""
    return {node["after"]["document"] for node in nodes if "document" in (node["after"] or {})}


# ---- Lists -----------------------------------------------------------------------------------


async def test_events_of_an_account_are_those_of_own_documents_with_their_facts(api: Api) -> None:
    _, own_only, reads_all = await owner_and_guests(api)

    own_events, all_events = [await account_events(api, person) for person in (own_only, reads_all)]

    assert [node["type"] for node in own_events["nodes"]] == [
        "account:document:issue", "account:document:update", "account:document:create",
    ]  # fmt: skip
    assert (own_events["totalCount"], own_events["totalCountIsCapped"]) == (3, False)
    assert len(document_keys(own_events["nodes"])) == 1
    assert own_events["nodes"][0]["after"]["number"].endswith("-0002")
    assert {node["actor"]["id"] for node in own_events["nodes"]} == {own_only.user_id}
    assert all_events["totalCount"] == len(all_events["nodes"]) == 3 + 4
    assert len(document_keys(all_events["nodes"])) == 2


FILTERS: Final = ("none", "type", "kind of type", "refusal", "actor", "reader", "since", "until")


@pytest.mark.parametrize("with_filter", FILTERS)
async def test_no_filter_finds_or_counts_an_event_about_a_document_of_another_user(api: Api, with_filter: str) -> None:
    anna, own_only, _ = await owner_and_guests(api)
    filters: dict[str, Mapping[str, object]] = {
        "none": {},
        "type": {"type": "account:document:pay"},
        "kind of type": DOCUMENTS,
        "refusal": {"type": "refused:account:document"},
        "actor": {"actorId": anna.user_id, **DOCUMENTS},
        "reader": {"actorId": own_only.user_id, **DOCUMENTS},
        "since": {"since": "2000-01-01T00:00:00Z"},
        "until": {"until": "2100-01-01T00:00:00Z", **DOCUMENTS},
    }
    event_filter = filters[with_filter]
    full, part = [await account_events(api, person, event_filter, first=100) for person in (anna, own_only)]
    rows = await db.fetch("SELECT id, creator_id FROM events", row=db.Row)
    creators = {ids.encode("Event", row.id): row.creator_id for row in rows}
    visible_creators = {None, ids.decode("User", own_only.user_id)}
    visible_ids = [node["id"] for node in full["nodes"] if creators[node["id"]] in visible_creators]

    assert [node["id"] for node in part["nodes"]] == visible_ids
    assert part["totalCount"] == len(visible_ids)
    assert await walk(api, own_only, event_filter) == visible_ids


async def walk(api: Api, by: Person, event_filter: Mapping[str, object]) -> list[str]:
    """The ids of all events, read one at a time. A hidden event would be an empty page, or a cursor to it."""
    event_ids: list[str] = []
    after: str | None = None
    while True:
        connection = await account_events(api, by, event_filter, first=1, after=after)
        event_ids += [node["id"] for node in connection["nodes"]]
        if not connection["pageInfo"]["hasNextPage"]:
            return event_ids
        assert len(connection["nodes"]) == 1
        after = connection["pageInfo"]["endCursor"]


async def test_refusal_about_an_own_document_exists_for_its_creator(api: Api) -> None:
    anna, own_only, _ = await owner_and_guests(api)
    document = await draft_id(api, own_only)
    settings = {"accountId": anna.account_id, **LOCK}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []
    assert (await attempt(api, "deleteDocument", {"documentId": document}, by=anna)).codes == ["FORBIDDEN"]
    assert (await attempt(api, "createCreditNote", {"documentId": document}, by=own_only)).codes == []

    events = await account_events(api, own_only, {"type": "refused:account:document"})

    assert [(node["type"], node["actor"]["id"]) for node in events["nodes"]] == [
        ("refused:account:document:delete", anna.user_id)
    ]


async def test_permission_of_one_account_shows_no_event_of_another(api: Api) -> None:
    anna, own_only, _ = await owner_and_guests(api)
    query = f"""query {{ accounts(first: 5) {{ nodes {{ events(filter: {{ type: "account:document" }}, first: 9) {{
        nodes {{ {EVENT} }} }} }} }} }}"""
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=own_only)
    second = Person(own_only.email, own_only.token, own_only.user_id, payload["account"]["id"])
    _ = await issued_id(api, second)

    nodes = (await api.ask(query, by=own_only)).data["accounts"]["nodes"]

    assert sorted(len(account["events"]["nodes"]) for account in nodes) == [3, 3]
    assert anna.user_id not in str(nodes)


# ---- Single events, own acts, streams, views, exports ----------------------------------------


async def test_event_by_its_id_exists_for_the_creator_and_with_the_permission(api: Api) -> None:
    anna, own_only, reads_all = await owner_and_guests(api)
    nodes = (await account_events(api, anna, {}, first=100))["nodes"]
    own_ids = {node["id"] for node in (await account_events(api, own_only, {}, first=100))["nodes"]}
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    event_ids = [node["id"] for node in nodes]

    nodes_of_creator, nodes_of_reader = [
        (await api.ask(query, {"ids": event_ids}, by=person)).data["nodes"] for person in (own_only, reads_all)
    ]

    assert nodes_of_creator == [{"id": event_id} if event_id in own_ids else None for event_id in event_ids]
    assert len(own_ids) < len(event_ids)
    assert [node["id"] for node in nodes_of_reader] == event_ids


async def test_own_act_on_a_document_of_another_user_exists_while_the_permission_does(api: Api) -> None:
    anna = await api.person("anna@example.com")
    permissions = [*OWN_ONLY, "DOCUMENTS_READ_ALL"]
    guest, grant = await api.guest(anna, "bo@example.com", "CONSULTANT", permissions=permissions)
    document = await issued_id(api, anna)
    assert codes(await api.do("recordPayment", {"documentId": document, "amount": "1"}, by=guest)) == []
    own_document = await issued_id(api, guest)
    (payment,) = [node for node in await viewer_events(api, guest) if node["type"] == "account:document:pay"]
    assert payment["after"]["amount"] == "1.00"

    assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": OWN_ONLY}, by=anna)) == []

    nodes = await viewer_events(api, guest)
    assert document_keys(nodes) == {str(ids.decode("Document", own_document))}
    assert payment["id"] not in [node["id"] for node in nodes]
    assert (await api.ask(f'{{ node(id: "{payment["id"]}") {{ id }} }}', by=guest)).data == {"node": None}
    (exported_row,) = [row for row in (await export(api, guest))["events"] if row["type"] == "account:document:pay"]
    assert (exported_row["after"], "creator_id" in exported_row) == ({}, False)

    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    assert payment["id"] not in [node["id"] for node in await viewer_events(api, guest)]


async def test_stream_has_events_of_own_documents_alone(api: Api) -> None:
    anna = await api.person("anna@example.com")
    own_only, _ = await api.guest(anna, "own@example.com", "CONSULTANT", permissions=OWN_ONLY)
    subscription = f"subscription ($id: ID!) {{ accountEvents(accountId: $id) {{ {EVENT} }} }}"
    async with follow(api, subscription, {"id": anna.account_id}, by=own_only) as stream:
        await stream.wait_until_open()
        await add_hidden_events(api, anna)
        # More events than one poll reads.
        await record_changes(anna, count=120, creator=anna)
        await record_changes(anna, count=1, creator=own_only)
        types = [(await stream.answer()).data["accountEvents"]["type"] for _ in range(4)]

    # The contact, and the locks before and after the refusal.
    assert types == ["account:contact:create", *["account:settings:update"] * 2, "account:document:update"]


async def record_changes(owner: Person, *, count: int, creator: Person) -> None:
    """Record changes of a document that a user created."""
    caller = Caller(now=NOW, config=OperationConfig(KEY))
    async with db.transaction():
        for _ in range(count):
            await event.record(
                caller,
                WorkspaceEventType.DOCUMENT_UPDATE,
                account_id=ids.decode("Account", owner.account_id),
                actor_id=ids.decode("User", owner.user_id),
                creator_id=ids.decode("User", creator.user_id),
            )


async def test_permission_that_ends_while_a_stream_is_open_hides_the_next_event(api: Api) -> None:
    anna = await api.person("anna@example.com")
    permissions = [*OWN_ONLY, "DOCUMENTS_READ_ALL"]
    guest, grant = await api.guest(anna, "bo@example.com", "CONSULTANT", permissions=permissions)
    subscription = f"subscription ($id: ID!) {{ accountEvents(accountId: $id) {{ {EVENT} }} }}"
    async with follow(api, subscription, {"id": anna.account_id}, by=guest) as stream:
        await stream.wait_until_open()
        await record_changes(anna, count=1, creator=anna)
        assert (await stream.answer()).data["accountEvents"]["type"] == "account:document:update"
        assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": OWN_ONLY}, by=anna)) == []
        assert (await stream.answer()).data["accountEvents"]["type"] == "account:grant:update"
        await record_changes(anna, count=1, creator=anna)
        assert codes(await api.do("updateAccount", {"accountId": anna.account_id, "name": "New"}, by=anna)) == []

        assert (await stream.answer()).data["accountEvents"]["type"] == "account:account:update"


async def test_permission_that_ends_hides_events_that_wait_in_a_stream(api: Api) -> None:
    anna = await api.person("anna@example.com")
    permissions = [*OWN_ONLY, "DOCUMENTS_READ_ALL"]
    guest, grant = await api.guest(anna, "bo@example.com", "CONSULTANT", permissions=permissions)
    (session,) = await Session.filter(user_id=ids.decode("User", guest.user_id))
    caller = Caller(now=api.clock(), config=OperationConfig(KEY), user_id=session.user_id, session_id=session.id)
    hub = Hub(api.clock)
    stream = await hub.follow_events(caller, ids.decode("Account", anna.account_id))
    await record_changes(anna, count=1, creator=anna)
    await record_changes(anna, count=1, creator=guest)
    await hub.poll()
    assert len(stream.items) == 2

    assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": OWN_ONLY}, by=anna)) == []
    await hub.poll()

    assert [item.creator_id for item in stream.items] == [session.user_id]


async def test_view_of_a_guest_shows_no_event_about_a_document(api: Api) -> None:
    anna, own_only, _ = await owner_and_guests(api)
    grants = await api.ask("query ($id: ID!) { account(id: $id) { grants { nodes { id user { id } } } } }",
                           {"id": anna.account_id}, by=anna)  # fmt: skip
    (grant,) = [node["id"] for node in grants.data["account"]["grants"]["nodes"]
                if node["user"]["id"] == own_only.user_id]  # fmt: skip
    query = (
        "{ viewer { currentAccount { events(first: 100) { totalCount nodes { type } } } events { nodes { type } } } }"
    )

    viewer = (await ask_in_view(api, query, anna, grant)).data["viewer"]

    events = viewer["currentAccount"]["events"]
    assert [node for node in events["nodes"] if "document" in node["type"]] == []
    assert events["totalCount"] == len(events["nodes"]) > 0
    assert [node for node in viewer["events"]["nodes"] if "document" in node["type"]] == []


# ---- Storage ---------------------------------------------------------------------------------


def test_each_type_about_a_document_has_the_scope_of_documents() -> None:
    types = [event_type for event_type in all_types() if event_type.startswith("account:document:")]

    assert len(types) >= 5
    assert [event_type for event_type in types if event_type.scope is None] == []
    assert {event_type.value for event_type in types} <= {*event_scope.scoped_types()}


async def test_event_about_a_row_with_a_scope_needs_the_creator_of_the_row(api: Api) -> None:
    anna = await api.person("anna@example.com")
    caller = Caller(now=api.clock(), config=OperationConfig(KEY), user_id=UUID(int=1))

    with pytest.raises(event_scope.MissingCreator, match="account:document:pay"):
        await event.record(caller, WorkspaceEventType.DOCUMENT_PAY, account_id=ids.decode("Account", anna.account_id))


async def test_creator_is_part_of_the_hash_chain(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    assert (await verify(database_url))[0] == 0

    await tamper(database_url, "UPDATE events SET creator_id = NULL WHERE type = 'account:document:issue'")

    code, lines = await verify(database_url)
    assert code == 1
    assert "was changed, moved or inserted" in lines[0]


async def test_chain_is_valid_after_the_migration_down_and_up(api: Api, database_url: str) -> None:
    _, own_only, _ = await owner_and_guests(api)

    await migrate(database_url, "models.0027_bounds")
    await migrate(database_url, None)

    code, lines = await verify(database_url)
    assert (code, lines[-1].endswith("none broken.")) == (0, True), lines
    # Their creators are unknown now, so they exist only with the permission.
    assert (await account_events(api, own_only))["totalCount"] == 0


_LENGTHEN: Final = """
SET session_replication_role = replica;
INSERT INTO events (id, type, occurred_at, actor_id, account_id, creator_id)
SELECT (lpad(to_hex(2000000 + n), 8, '0') || '-0000-7000-8000-000000000014')::uuid, 'account:document:update',
    now(), $1, $2, $1 FROM generate_series(1, 12000) n;
ANALYZE events;
"""


async def test_reader_reads_few_rows_although_most_events_are_hidden(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await api.person("anna@example.com")
    own_only, _ = await api.guest(anna, "own@example.com", "CONSULTANT", permissions=OWN_ONLY)
    _ = await issued_id(api, own_only)
    connection = await connect(database_url)
    owner_key, account_key = ids.decode("User", anna.user_id), ids.decode("Account", anna.account_id)
    await connection.execute(_LENGTHEN.replace("$1", f"'{owner_key}'").replace("$2", f"'{account_key}'"))
    statements = Statements(monkeypatch)
    filters: list[Mapping[str, object]] = [
        {}, DOCUMENTS, {"type": "account:document:update"}, {"since": "2000-01-01T00:00:00Z"},
        {"actorId": anna.user_id},
    ]  # fmt: skip

    for event_filter in filters:
        statements.sent.clear()
        _ = await account_events(api, own_only, event_filter, first=1)
        read = [await rows_read(connection, *statement) for statement in statements.sent]
        assert read, event_filter
        assert max(read) <= FEW_ROWS, (event_filter, read)
    await connection.close()
