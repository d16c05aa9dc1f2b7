"""Links that download exports: once, for minutes, with the rights of the moment."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from auth import tokens
from database import db
from tests.api import Api, Person, codes
from tests.models.refusals import events
from tests.workspace.exports import add_contacts, caller, create_export, link, ready_export, stored_parts
from workspace import export, export_link, export_writing
from workspace.export_link import RightsLost, UnknownLink

UNKNOWN_LINK = "This link does not work, or no longer works. Create a new one."
RIGHTS = ["EXPORTS_CREATE", "CONTACTS_READ"]


async def owner_and_path(api: Api) -> tuple[Person, str]:
    """An owner, and the path of a link of their export."""
    anna = await api.person("anna@example.com")
    await add_contacts(anna, 3)
    return anna, await link(api, anna, await ready_export(api, anna))


def is_gone(response: httpx2.Response) -> bool:
    """True if a link does not work."""
    return (response.status_code, response.text) == (404, UNKNOWN_LINK)


async def test_download_has_headers_of_a_file_that_no_cache_stores(api: Api) -> None:
    _, path = await owner_and_path(api)

    response = await api.http.get(path)

    headers = response.headers
    assert response.status_code == 200
    assert headers["content-disposition"] == f'attachment; filename="contacts-{api.clock.now:%Y-%m-%d}.csv"'
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["accept-ranges"] == "none"
    assert int(headers["content-length"]) == len(response.content)


async def test_link_works_once(api: Api) -> None:
    _, path = await owner_and_path(api)

    responses = [await api.http.get(path) for _ in range(2)]

    assert responses[0].status_code == 200
    assert is_gone(responses[1])
    assert len(await events("account:export:download")) == 1


async def test_two_downloads_at_once_give_one_file(api: Api) -> None:
    _, path = await owner_and_path(api)

    responses = await asyncio.gather(*(api.http.get(path) for _ in range(5)))

    assert sorted(response.status_code for response in responses) == [200, 404, 404, 404, 404]
    assert len(await events("account:export:download")) == 1


async def test_head_shows_the_headers_and_does_not_use_the_link_up(api: Api) -> None:
    _, path = await owner_and_path(api)

    head = await api.http.head(path)
    response = await api.http.get(path)

    assert head.status_code == response.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-disposition", "content-length"):
        assert head.headers[name] == response.headers[name]
    assert is_gone(await api.http.get(path))
    assert (await api.http.head(path)).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"), [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")]
)
async def test_prefetching_browser_does_not_use_the_link_up(api: Api, name: str, value: str) -> None:
    _, path = await owner_and_path(api)

    prefetch = await api.http.get(path, headers={name: value})

    assert (prefetch.status_code, prefetch.content) == (503, b"")
    assert (await api.http.get(path)).status_code == 200


async def test_other_methods_are_refused(api: Api) -> None:
    _, path = await owner_and_path(api)

    assert [(await api.http.request(method, path)).status_code for method in ("POST", "PUT", "DELETE")] == [405] * 3
    assert (await api.http.get(path)).status_code == 200


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "%2e%2e", "A" * 5000, "å"])
async def test_made_up_link_is_gone(api: Api, token: str) -> None:
    _, path = await owner_and_path(api)

    assert (await api.http.get(f"/exports/{token}")).status_code == 404
    assert (await api.http.get(path)).status_code == 200


async def test_link_ends_after_five_minutes(api: Api) -> None:
    anna, path = await owner_and_path(api)
    api.clock.forward(minutes=5, seconds=-1)
    assert (await api.http.head(path)).status_code == 200
    api.clock.forward(seconds=1)

    assert is_gone(await api.http.get(path))
    (row,) = await export.Export.all()
    assert (await api.http.get(await link_of(api, anna, row))).status_code == 200


async def link_of(api: Api, by: Person, row: export.Export) -> str:
    """The path of a new link of a stored export."""
    from resolvers import ids

    return await link(api, by, ids.encode("Export", row.id))


async def test_new_link_replaces_the_one_before(api: Api) -> None:
    anna, path = await owner_and_path(api)
    (row,) = await export.Export.all()

    next_path = await link_of(api, anna, row)

    assert is_gone(await api.http.get(path))
    assert (await api.http.get(next_path)).status_code == 200


async def test_link_ends_with_the_session_that_created_it(api: Api) -> None:
    anna, path = await owner_and_path(api)
    again = await api.sign_in(anna)
    _ = await api.do("signOut", None, by=anna)

    assert is_gone(await api.http.get(path))
    (row,) = await export.Export.all()
    assert (await api.http.get(await link_of(api, again, row))).status_code == 200


async def test_link_ends_with_the_file(api: Api) -> None:
    anna = await api.person("anna@example.com")
    key = await ready_export(api, anna)
    api.clock.forward(hours=23, minutes=58)
    path = await link(api, anna, key)
    api.clock.forward(minutes=2)

    assert is_gone(await api.http.get(path))


async def test_unfinished_and_failed_exports_have_no_link(api: Api) -> None:
    anna = await api.person("anna@example.com")
    keys = [await create_export(api, anna) for _ in range(2)]
    from resolvers import ids

    failure = "UPDATE exports SET status = 'FAILED', failure = 'INTERNAL' WHERE id = $1"
    _ = await db.execute(failure, ids.decode("Export", keys[1]))

    payloads = [await api.do("createExportLink", {"exportId": key}, "url", by=anna) for key in keys]

    assert [codes(payload) for payload in payloads] == [[("INVALID_STATE", None)]] * 2
    assert [payload["url"] for payload in payloads] == [None, None]


# ---- Rights ----------------------------------------------------------------------------------


async def guest_with_path(api: Api) -> tuple[Person, Person, str, str]:
    """An owner, a guest, the id of the guest's grant, and the path of a link of the guest's export."""
    anna = await api.person("anna@example.com")
    await add_contacts(anna, 3)
    guest, grant = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=RIGHTS)
    return anna, guest, grant, await link(api, guest, await ready_export(api, guest, accountId=anna.account_id))


@pytest.mark.parametrize("permissions", [["EXPORTS_CREATE"], ["CONTACTS_READ"]])
async def test_lost_permission_refuses_the_download_with_a_text(api: Api, permissions: list[str]) -> None:
    anna, guest, grant, path = await guest_with_path(api)
    assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": permissions}, by=anna)) == []

    response = await api.http.get(path, headers={"Accept-Language": "pl"})

    assert response.status_code == 403
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text
    assert response.text != RightsLost().text
    assert await events("account:export:download") == []
    if "EXPORTS_CREATE" in permissions:
        (row,) = await export.Export.all()
        from resolvers import ids

        payload = await api.do("createExportLink", {"exportId": ids.encode("Export", row.id)}, "url", by=guest)
        assert (codes(payload), payload["url"]) == ([("INVALID_STATE", None)], None)


async def test_revoked_grant_refuses_the_download(api: Api) -> None:
    anna, _, grant, path = await guest_with_path(api)
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []

    response = await api.http.get(path)

    assert (response.status_code, response.text) == (403, RightsLost().text)


async def test_download_stops_when_the_rights_are_lost(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_writing, "PART_ROWS", 1)
    anna, _, grant, path = await guest_with_path(api)
    file_download = await export_link.find(caller(api), path.rpartition("/")[2])
    chunks: AsyncIterator[bytes] = export_link.read(file_download, api.clock)
    assert b"Contact 1" in await anext(chunks)
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []

    with pytest.raises(RightsLost):
        _ = await anext(chunks)


async def test_download_stops_when_the_file_is_deleted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_writing, "PART_ROWS", 1)
    _, path = await owner_and_path(api)
    file_download = await export_link.find(caller(api), path.rpartition("/")[2])
    chunks: AsyncIterator[bytes] = export_link.read(file_download, api.clock)
    _ = await anext(chunks)
    _ = await db.execute("DELETE FROM exports")
    assert await stored_parts() == 0

    with pytest.raises(UnknownLink):
        _ = await anext(chunks)


async def test_file_is_read_in_chunks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_link, "CHUNK_BYTES", 10)
    _, path = await owner_and_path(api)
    file_download = await export_link.find(caller(api), path.rpartition("/")[2])

    chunks = [chunk async for chunk in export_link.read(file_download, api.clock)]

    assert max(map(len, chunks)) == 10
    assert b"".join(chunks) == (await api.http.get(path)).content


# ---- Secrets ---------------------------------------------------------------------------------


async def test_database_and_events_have_no_token(api: Api) -> None:
    _, path = await owner_and_path(api)
    token = path.rpartition("/")[2]
    (row,) = await export.Export.all()
    assert row.link_digest == tokens.digest(token)

    _ = await api.http.get(path)

    for table in ("exports", "events", "messages"):
        rows = await db.fetch(f"SELECT t::text AS text FROM {table} t", row=db.Row)
        assert not any(token in row_text.text for row_text in rows)
    (event,) = await events("account:export:download")
    assert '"row_count": 3' in event.after
