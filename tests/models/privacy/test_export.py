"""Everything that is held about somebody is given to him, and nothing to anybody else."""

from typing import Any

from models.privacy import personal_data
from resolvers import ids
from tests.api import PASSWORD, Api, Person
from tests.models.refusals import events, refused

SHOWN = "document"


async def export(api: Api, by: Person) -> dict[str, list[dict[str, Any]]]:
    done = await api.do("exportMyData", {"password": PASSWORD}, SHOWN, by=by)
    assert done["errors"] == []
    document: dict[str, list[dict[str, Any]]] = done["document"]
    return document


async def test_everything_is_there(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER", permissions=["DOCUMENTS_READ"])
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}, by=anna)

    of_anna, of_bo = await export(api, anna), await export(api, bo)

    assert [*of_anna] == [held.name for held in personal_data.HELD]
    (profile,) = of_anna["profile"]
    assert (profile["email"], profile["name"]) == ("anna@example.com", "Anna Nowak")
    assert [row["id"] for row in of_anna["accounts"]] == [str(ids.decode("Account", anna.account_id))]
    assert [row["role"] for row in of_anna["invitationsSent"]] == ["SIMPLE_USER", "ACCOUNTANT"]
    assert {row["to_address"] for row in of_anna["messages"]} == {"anna@example.com"}
    assert "user:data:export" in [row["type"] for row in of_anna["events"]]
    assert {row["origin"]["ip_address"] for row in of_anna["events"]} == {"127.0.0.1"}
    assert [row["listed"] for row in of_bo["grants"]] == [["ACCOUNT_READ", "DOCUMENTS_READ"]]
    assert [row["email"] for row in of_bo["invitations"]] == ["bo@example.com"]
    assert [row["after"]["email"] for row in of_bo["eventsAboutMe"]] == ["bo@example.com"]


async def test_nothing_of_others_is_there_and_no_secret(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}, by=anna)

    shown = str(await export(api, bo))

    for other in ("cy@example.com", "anna@example.com"):
        assert other not in shown
    for secret in (PASSWORD, bo.token, await api.link("bo@example.com", "invitation"), "digest", "hash", "seed"):
        assert secret not in shown


async def test_it_takes_the_password_again_and_is_told(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "exportMyData", {"password": "wrong wrong wrong"}, by=anna) == [
        ("INVALID_CREDENTIALS", ["password"])
    ]
    assert await events("user:data:export") == []
    await export(api, anna)
    assert len(await events("user:data:export")) == 1
