"""The registration of persisted operations, by digest and by alias."""

from datetime import UTC, datetime

import asyncpg
import pytest

from database import db
from models import persisted_operation
from models.base.caller import Caller, OperationConfig
from models.base.errors import BadInput, Refusal
from models.persisted_operation import PersistedOperation
from tests.api import KEY, Api, count_rows
from tests.conftest import connect

OPERATOR = Caller(now=datetime(2026, 1, 1, tzinfo=UTC), config=OperationConfig(KEY))
ROLES, ROLE_NAMES = PersistedOperation("{ roles { role } }"), PersistedOperation("{ roles { name } }")


async def test_operation_is_registered_once_for_each_client(api: Api) -> None:
    assert await persisted_operation.add(OPERATOR, "web", [ROLES, ROLES, ROLE_NAMES]) == 2
    assert await persisted_operation.add(OPERATOR, "web", [ROLES]) == 0
    assert await persisted_operation.add(OPERATOR, "mobile", [ROLES]) == 1

    assert await persisted_operation.remove(OPERATOR, [], client="web") == 2

    assert [row.client for row in await persisted_operation.load_all()] == ["mobile"]
    assert await persisted_operation.load_text(ROLES.digest.hex()) == ROLES.text
    assert await persisted_operation.load_text(ROLE_NAMES.digest.hex()) is None


async def test_no_change_records_no_event(api: Api) -> None:
    await persisted_operation.add(OPERATOR, "web", [ROLES])
    before = await count_rows()

    assert await persisted_operation.add(OPERATOR, "web", [ROLES]) == 0
    assert await persisted_operation.remove(OPERATOR, ["unknown"], client=None) == 0
    assert await persisted_operation.remove(OPERATOR, [], client="unknown") == 0
    assert await count_rows() == before


async def test_alias_can_be_added_later_and_stays(api: Api) -> None:
    await persisted_operation.add(OPERATOR, "web", [ROLES])

    assert await persisted_operation.add(OPERATOR, "web", [ROLES, PersistedOperation(ROLES.text, "x-app:roles")]) == 1
    assert await persisted_operation.add(OPERATOR, "web", [ROLES]) == 0

    assert await persisted_operation.load_text("x-app:roles") == ROLES.text


@pytest.mark.parametrize(
    "operations",
    [
        [ROLE_NAMES, PersistedOperation(ROLES.text, "a b")],
        [ROLE_NAMES, PersistedOperation(ROLES.text, "")],
        [ROLE_NAMES, PersistedOperation(ROLES.text, "a" * 201)],
        [ROLE_NAMES, PersistedOperation(ROLES.text, "a" * 64)],
        [PersistedOperation(ROLE_NAMES.text, "same"), PersistedOperation(ROLES.text, "same")],
        [ROLE_NAMES, PersistedOperation(ROLES.text, "taken")],
    ],
    ids=["a blank", "empty", "long", "a digest", "twice", "of another operation"],
)
async def test_alias_must_be_valid_and_name_one_operation(api: Api, operations: list[PersistedOperation]) -> None:
    await persisted_operation.add(OPERATOR, "mobile", [PersistedOperation("{ __typename }", "taken")])
    before = await count_rows()

    with pytest.raises(BadInput):
        await persisted_operation.add(OPERATOR, "web", operations)

    assert await count_rows() == before


async def test_client_must_have_a_valid_name(api: Api) -> None:
    for name in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(Refusal):
            await persisted_operation.add(OPERATOR, name, [ROLES])

    assert await persisted_operation.load_all() == []


async def test_remove_without_keys_and_client_is_rejected(api: Api) -> None:
    await persisted_operation.add(OPERATOR, "web", [ROLES])

    with pytest.raises(BadInput):
        await persisted_operation.remove(OPERATOR, [], client=None)

    assert len(await persisted_operation.load_all()) == 1


async def test_database_rejects_a_digest_of_another_text(api: Api, database_url: str) -> None:
    owner = await connect(database_url)

    with pytest.raises(asyncpg.CheckViolationError, match="documents_digest"):
        await owner.execute(
            "INSERT INTO documents (digest, client, text, added_at) VALUES ($1, 'web', $2, now())",
            ROLES.digest,
            ROLE_NAMES.text,
        )

    await owner.close()
    assert await db.fetch("SELECT 1 FROM documents", row=db.Row) == []
