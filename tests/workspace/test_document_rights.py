"""Each operation on documents by each role, and in each state of the account: a table, by HTTP."""

from datetime import timedelta
from typing import Any, Final

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person, codes
from tests.models.refusals import attempt, state
from tests.models.sharing.views import ask_in_view
from tests.workspace.documents import LINE, add_line, complete_draft, issued_id

OPERATIONS: Final = (
    "createDocument", "updateDocument", "deleteDocument", "addDocumentLine", "updateDocumentLine",
    "removeDocumentLine", "issueDocument", "createCreditNote", "recordPayment",
)  # fmt: skip
ROLES: Final = ("OWNER", "ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT", "CONSULTANT", "SIMPLE_USER")
CONSULTANT: Final = ("DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "DOCUMENTS_WRITE", "DOCUMENTS_DELETE", "CONTACTS_READ")


async def inputs_of(api: Api, owner: Person) -> dict[str, dict[str, object]]:
    """An input with which each operation succeeds."""
    drafts = [await complete_draft(api, owner) for _ in range(5)]
    lines = [(await add_line(api, owner, drafts[4]))["line"]["id"] for _ in range(2)]
    return {
        "createDocument": {"accountId": owner.account_id},
        "updateDocument": {"documentId": drafts[0], "note": "Thank you"},
        "deleteDocument": {"documentId": drafts[1]},
        "addDocumentLine": {"documentId": drafts[2], **LINE},
        "updateDocumentLine": {"documentLineId": lines[0], "quantity": "7"},
        "removeDocumentLine": {"documentLineId": lines[1]},
        "issueDocument": {"documentId": drafts[3]},
        "createCreditNote": {"documentId": await issued_id(api, owner)},
        "recordPayment": {"documentId": await issued_id(api, owner), "amount": "1"},
    }


async def person_in_role(api: Api, owner: Person, role: str) -> Person:
    """A user with a role in the owner's account."""
    if role == "OWNER":
        return owner
    permissions = {"permissions": [*CONSULTANT]} if role == "CONSULTANT" else {}
    guest, _ = await api.guest(owner, f"{role.lower()}@example.com", role, **permissions)
    return guest


async def outcome(api: Api, by: Person, operation: str, values: dict[str, object]) -> str:
    """`done`, the code of a refusal, or the reason of a missing permission. A refused operation changes no document."""
    before = await documents()
    answer = await attempt(api, operation, values, by=by)
    if answer.errors:
        result = str(answer.errors[0]["extensions"].get("reason", answer.codes[0]))
    else:
        result = ", ".join(error["code"] for error in answer.data[operation]["errors"]) or "done"
    assert result == "done" or await documents() == before, operation
    return result


async def documents() -> dict[str, Any]:
    """All rows of documents."""
    tables = {"sales_documents", "document_lines", "document_payments", "document_series"}
    return {table: rows for table, rows in (await state()).items() if table in tables}


async def outcomes(api: Api, by: Person, inputs: dict[str, dict[str, object]]) -> dict[str, str]:
    """The outcome of each operation that is not `done`."""
    results = {operation: await outcome(api, by, operation, inputs[operation]) for operation in OPERATIONS}
    return {operation: result for operation, result in results.items() if result != "done"}


def all_with(reason: str) -> dict[str, str]:
    """The same outcome for each operation."""
    return dict.fromkeys(OPERATIONS, reason)


async def update_settings(api: Api, owner: Person, **settings: object) -> None:
    """Change the settings of the owner's account."""
    values = {"accountId": owner.account_id, **settings}
    assert codes(await api.do("updateAccountSettings", values, by=owner)) == []


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_runs_the_operations_of_its_permissions(api: Api, role: str) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, role), await inputs_of(api, owner)

    assert await outcomes(api, person, inputs) == ({"deleteDocument": "ROLE"} if role == "SIMPLE_USER" else {})


@pytest.mark.parametrize("role", ROLES)
async def test_lock_of_deleting_refuses_each_role(api: Api, role: str) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, role), await inputs_of(api, owner)
    await update_settings(api, owner, locks=["DOCUMENTS_DELETE"])

    reason = "ROLE" if role == "SIMPLE_USER" else "LOCKED_BY_ACCOUNT"
    assert await outcomes(api, person, inputs) == {"deleteDocument": reason}


@pytest.mark.parametrize("role", ROLES)
async def test_lock_of_writing_refuses_each_role(api: Api, role: str) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, role), await inputs_of(api, owner)
    await update_settings(api, owner, locks=["DOCUMENTS_WRITE"])

    role_outcomes = {"deleteDocument": "ROLE"} if role == "SIMPLE_USER" else {}
    refusals = all_with("LOCKED_BY_ACCOUNT") | role_outcomes
    if not role_outcomes:
        del refusals["deleteDocument"]
    assert await outcomes(api, person, inputs) == refusals


@pytest.mark.parametrize("role", ROLES)
async def test_restriction_of_writing_refuses_simple_users_alone(api: Api, role: str) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, role), await inputs_of(api, owner)
    await update_settings(api, owner, simpleUserRestrictions=["DOCUMENTS_WRITE"])

    refusals = all_with("RESTRICTED_BY_ACCOUNT") | {"deleteDocument": "ROLE"} if role == "SIMPLE_USER" else {}
    assert await outcomes(api, person, inputs) == refusals


async def test_restriction_to_own_documents_hides_those_of_others_from_simple_users(api: Api) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, "SIMPLE_USER"), await inputs_of(api, owner)
    await update_settings(api, owner, simpleUserRestrictions=["DOCUMENTS_READ_ALL"])

    refusals = all_with("NOT_FOUND")
    del refusals["createDocument"]
    assert await outcomes(api, person, inputs) == refusals
    assert await outcomes(api, owner, inputs) == {}


async def test_lock_of_all_documents_leaves_each_user_their_own(api: Api) -> None:
    owner = await api.person("anna@example.com")
    guest = await person_in_role(api, owner, "ADMINISTRATOR")
    own_inputs, foreign_inputs = await inputs_of(api, owner), await inputs_of(api, guest)
    await update_settings(api, owner, locks=["DOCUMENTS_READ_ALL"])

    refusals = all_with("NOT_FOUND")
    del refusals["createDocument"]
    assert await outcomes(api, owner, foreign_inputs) == refusals
    assert await outcomes(api, owner, own_inputs) == {}


@pytest.mark.parametrize("role", ROLES)
async def test_account_without_a_subscription_is_read_only(api: Api, role: str) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, role), await inputs_of(api, owner)
    _ = await db.execute("UPDATE accounts SET subscription_until = $1", api.clock() - timedelta(days=1))

    role_outcomes = {"deleteDocument": "ROLE"} if role == "SIMPLE_USER" else {}
    assert await outcomes(api, person, inputs) == all_with("SUBSCRIPTION_EXPIRED") | role_outcomes
    assert len(await document_ids(api, person)) == 7


@pytest.mark.parametrize("role", ROLES)
async def test_closing_account_is_read_only(api: Api, role: str) -> None:
    owner = await api.person("anna@example.com")
    person, inputs = await person_in_role(api, owner, role), await inputs_of(api, owner)
    _ = await db.execute("UPDATE accounts SET closes_at = $1", api.clock() + timedelta(days=30))

    role_outcomes = {"deleteDocument": "ROLE"} if role == "SIMPLE_USER" else {}
    assert await outcomes(api, person, inputs) == all_with("ACCOUNT_CLOSING") | role_outcomes
    assert len(await document_ids(api, person)) == 7


@pytest.mark.parametrize("ending", ["revokeGrant", "expiry"])
async def test_former_guest_finds_no_document(api: Api, ending: str) -> None:
    owner = await api.person("anna@example.com")
    guest, grant = await api.guest(owner, "bo@example.com", "ADMINISTRATOR")
    inputs = await inputs_of(api, guest)
    if ending == "expiry":
        _ = await db.execute(
            "UPDATE grants SET valid_until = $1 WHERE id = $2", api.clock(), ids.decode("Grant", grant)
        )
    else:
        assert codes(await api.do("revokeGrant", {"grantId": grant}, by=owner)) == []

    assert await outcomes(api, guest, inputs) == all_with("NOT_FOUND")


async def test_view_of_a_role_or_guest_changes_no_document(api: Api) -> None:
    owner = await api.person("anna@example.com")
    _, grant = await api.guest(owner, "bo@example.com", "ACCOUNTANT")
    inputs = await inputs_of(api, owner)
    before = await documents()

    for view in ("ACCOUNTANT", grant):
        for operation in OPERATIONS:
            name = f"{operation[0].upper()}{operation[1:]}"
            document = f"mutation ($input: {name}Input!) {{ {operation}(input: $input) {{ errors {{ code }} }} }}"
            answer = await ask_in_view(api, document, owner, view, variables={"input": inputs[operation]})
            assert answer.errors, operation
    assert await documents() == before


async def test_view_of_a_role_without_all_documents_shows_none(api: Api) -> None:
    owner = await api.person("anna@example.com")
    _ = await inputs_of(api, owner)
    await update_settings(api, owner, simpleUserRestrictions=["DOCUMENTS_READ_ALL"])
    query = "{ viewer { currentAccount { documents { totalCount } } } }"

    counts = [
        (await ask_in_view(api, query, owner, role)).data["viewer"]["currentAccount"]["documents"]["totalCount"]
        for role in ("ACCOUNTANT", "SIMPLE_USER")
    ]

    assert counts == [7, 0]


async def document_ids(api: Api, by: Person) -> list[str]:
    """The ids of the documents that a user lists."""
    query = "query ($id: ID!) { account(id: $id) { documents { nodes { id } } } }"
    nodes = (await api.ask(query, {"id": by.account_id}, by=by)).data["account"]["documents"]["nodes"]
    return [node["id"] for node in nodes]
