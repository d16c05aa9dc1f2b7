"""The export contains all personal data of the caller and none of other people."""

from typing import Any

from models.privacy import personal_data
from resolvers import ids
from tests.api import PASSWORD, Api, Person
from tests.models.refusals import events, refusal_codes

SELECTION = "document"


async def export(api: Api, by: Person) -> dict[str, list[dict[str, Any]]]:
    payload = await api.do("exportMyData", {"password": PASSWORD}, SELECTION, by=by)
    assert payload["errors"] == []
    document: dict[str, list[dict[str, Any]]] = payload["document"]
    return document


async def test_export_contains_every_category(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER", permissions=["DOCUMENTS_READ"])
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}, by=anna)

    anna_export, bo_export = await export(api, anna), await export(api, bo)

    assert [*anna_export] == [category.name for category in personal_data.categories()]
    (profile,) = anna_export["profile"]
    assert (profile["email"], profile["name"]) == ("anna@example.com", "Anna Nowak")
    assert [row["id"] for row in anna_export["accounts"]] == [str(ids.decode("Account", anna.account_id))]
    assert [row["role"] for row in anna_export["invitationsSent"]] == ["SIMPLE_USER", "ACCOUNTANT"]
    assert {row["to_address"] for row in anna_export["messages"]} == {"anna@example.com"}
    assert "user:data:export" in [row["type"] for row in anna_export["events"]]
    assert {row["origin"]["ip_address"] for row in anna_export["events"]} == {"127.0.0.1"}
    assert [row["listed"] for row in bo_export["grants"]] == [["ACCOUNT_READ", "DOCUMENTS_READ"]]
    assert [row["email"] for row in bo_export["invitations"]] == ["bo@example.com"]
    assert [row["after"]["email"] for row in bo_export["eventsAboutMe"]] == ["bo@example.com"]


async def test_export_contains_no_secret_and_no_data_of_other_people(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}, by=anna)

    document = str(await export(api, bo))

    for address in ("cy@example.com", "anna@example.com"):
        assert address not in document
    for secret in (PASSWORD, bo.token, await api.link("bo@example.com", "invitation"), "digest", "hash", "seed"):
        assert secret not in document


async def test_export_requires_password_and_records_event(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "exportMyData", {"password": "wrong wrong wrong"}, by=anna) == [
        ("INVALID_CREDENTIALS", ["password"])
    ]
    assert await events("user:data:export") == []
    await export(api, anna)
    assert len(await events("user:data:export")) == 1
