"""Blocks: a receiver stops a kind of mail by one click, honoured when a mail is queued and when it is sent."""

from database import db
from models.outbox import block
from models.outbox.message_kind import MessageKind
from tests.api import KEY, PASSWORD, Api, codes
from tests.models.outbox.test_mail_limit import invite
from tests.models.refusals import mails

STRANGER = "stranger@example.com"


def path(kind: MessageKind = MessageKind.INVITATION, address: str = STRANGER) -> str:
    """The path of the page for a kind of mail to an address."""
    blockable = block.of_message(KEY, kind, address)
    assert blockable is not None
    return f"/unsubscribe/{kind}/{block.token(KEY, blockable)}"


async def count_blocks() -> int:
    return len(await db.fetch("SELECT FROM mail_blocks", row=db.Row))


async def test_one_click_stops_the_kind_for_the_address_in_any_spelling(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")

    response = await api.http.post(path(), content="List-Unsubscribe=One-Click")

    assert (response.status_code, response.headers.get("set-cookie")) == (200, None)
    assert await invite(api, anna, "Stranger@Example.com") == "done"
    assert await invite(api, bo, "p@example.com") == "done"
    (mail,) = await mails("Stranger@example.com", "invitation")
    assert (mail.status, mail.failure) == ("FAILED", "blocked by the receiver")
    (other,) = await mails("p@example.com", "invitation")
    assert other.status != "FAILED"


async def test_block_is_undone_and_repeated(api: Api) -> None:
    for _ in range(2):
        await api.http.post(path())
    assert await count_blocks() == 1

    response = await api.http.post(f"{path()}/undo")

    assert (response.status_code, await count_blocks()) == (200, 0)
    assert (await api.http.post(f"{path()}/undo")).status_code == 200


async def test_token_is_for_one_kind_and_one_address(api: Api) -> None:
    token = path().rpartition("/")[2]
    invalid = [
        f"/unsubscribe/client-activation/{token}",
        f"/unsubscribe/password-reset/{token}",
        f"/unsubscribe/unknown/{token}",
        f"/unsubscribe/invitation/{token[:-4]}AAAA",
        f"/unsubscribe/invitation/{'A' * 64}",
        "/unsubscribe/invitation/x",
        "/unsubscribe/invitation/%C5%82",
    ]

    for target in invalid:
        for method in ("GET", "POST"):
            assert (await api.http.request(method, target)).status_code == 404, target
    assert (await api.http.post(f"{invalid[4]}/undo")).status_code == 404
    assert (await api.http.put(path())).status_code == 405
    assert await count_blocks() == 0


async def test_security_mails_cannot_be_blocked(api: Api) -> None:
    await api.person("anna@example.com")
    assert block.of_message(KEY, MessageKind.PASSWORD_RESET, "anna@example.com") is None
    for kind in MessageKind:
        if kind.topic is not None:
            await api.http.post(path(kind, "anna@example.com"))

    assert codes(await api.do("requestPasswordReset", {"email": "anna@example.com"})) == []

    (mail,) = await mails("anna@example.com", "password-reset")
    assert mail.failure is None


async def test_block_outlasts_the_erasure(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await api.http.post(path(address=anna.email))

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=anna)) == []

    assert await invite(api, bo, anna.email) == "done"
    assert [mail.status for mail in await mails(anna.email, "invitation")] == ["FAILED"]


async def test_table_of_blocks_shows_no_address(api: Api) -> None:
    await api.http.post(path())

    (row,) = await db.fetch("SELECT * FROM mail_blocks", row=db.Row)

    assert (len(row.subject), row.kind, row.created_at) == (32, "invitation", api.clock.now)
    assert block.subject("another key", STRANGER) != row.subject == block.subject(KEY, STRANGER)
