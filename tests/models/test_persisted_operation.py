"""Documents as they are registered, by digest and by alias."""

from datetime import UTC, datetime

import asyncpg
import pytest

from database import db
from models import persisted_operation
from models.base.caller import Caller, OperationConfig
from models.base.errors import BadInput, Refusal
from models.persisted_operation import Document
from tests.api import KEY, Api, counts
from tests.conftest import connect

OPERATOR = Caller(now=datetime(2026, 1, 1, tzinfo=UTC), config=OperationConfig(KEY))
ROLES, MORE = Document("{ roles { role } }"), Document("{ roles { name } }")


async def test_a_document_is_registered_once_for_each_client(api: Api) -> None:
    assert await persisted_operation.add(OPERATOR, "web", [ROLES, ROLES, MORE]) == 2
    assert await persisted_operation.add(OPERATOR, "web", [ROLES]) == 0
    assert await persisted_operation.add(OPERATOR, "mobile", [ROLES]) == 1

    assert await persisted_operation.remove(OPERATOR, [], client="web") == 2

    assert [row.client for row in await persisted_operation.registered()] == ["mobile"]
    assert await persisted_operation.text(ROLES.digest.hex()) == ROLES.text
    assert await persisted_operation.text(MORE.digest.hex()) is None


async def test_nothing_new_is_no_event(api: Api) -> None:
    await persisted_operation.add(OPERATOR, "web", [ROLES])
    before = await counts()

    assert await persisted_operation.add(OPERATOR, "web", [ROLES]) == 0
    assert await persisted_operation.remove(OPERATOR, ["unknown"], client=None) == 0
    assert await persisted_operation.remove(OPERATOR, [], client="nobody") == 0
    assert await counts() == before


async def test_an_alias_comes_later_and_stays(api: Api) -> None:
    await persisted_operation.add(OPERATOR, "web", [ROLES])

    assert await persisted_operation.add(OPERATOR, "web", [ROLES, Document(ROLES.text, "x-app:roles")]) == 1
    assert await persisted_operation.add(OPERATOR, "web", [ROLES]) == 0

    assert await persisted_operation.text("x-app:roles") == ROLES.text


@pytest.mark.parametrize(
    "documents",
    [
        [MORE, Document(ROLES.text, "a b")],
        [MORE, Document(ROLES.text, "")],
        [MORE, Document(ROLES.text, "a" * 201)],
        [MORE, Document(ROLES.text, "a" * 64)],
        [Document(MORE.text, "same"), Document(ROLES.text, "same")],
        [MORE, Document(ROLES.text, "taken")],
    ],
    ids=["a blank", "empty", "long", "a digest", "twice", "another's"],
)
async def test_an_alias_names_one_document(api: Api, documents: list[Document]) -> None:
    await persisted_operation.add(OPERATOR, "mobile", [Document("{ __typename }", "taken")])
    before = await counts()

    with pytest.raises(BadInput):
        await persisted_operation.add(OPERATOR, "web", documents)

    assert await counts() == before


async def test_a_client_has_a_name(api: Api) -> None:
    for name in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(Refusal):
            await persisted_operation.add(OPERATOR, name, [ROLES])

    assert await persisted_operation.registered() == []


async def test_not_everything_is_removed_by_naming_nothing(api: Api) -> None:
    await persisted_operation.add(OPERATOR, "web", [ROLES])

    with pytest.raises(BadInput):
        await persisted_operation.remove(OPERATOR, [], client=None)

    assert len(await persisted_operation.registered()) == 1


async def test_the_database_holds_that_a_digest_is_that_of_its_text(api: Api, database_url: str) -> None:
    owner = await connect(database_url)

    with pytest.raises(asyncpg.CheckViolationError, match="documents_digest"):
        await owner.execute(
            "INSERT INTO documents (digest, client, text, added_at) VALUES ($1, 'web', $2, now())",
            ROLES.digest,
            MORE.text,
        )

    await owner.close()
    assert await db.fetch("SELECT 1 FROM documents", row=db.Row) == []
