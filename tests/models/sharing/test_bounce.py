"""Offers that the mail server rejects: what the sender reads, and the mail to the sender."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope

from database import db
from tests.api import PASSWORD, Api, Clock, Person, codes, run_application
from tests.conftest import create_application
from tests.mailer.conftest import FakeMailServer, serve
from tests.models.bureaus.bureau_setup import register_bureau
from tests.models.refusals import mails

INVITEE = "bo@example.com"
SECRET = "aHR0cHM6Ly9leGFtcGxlLmNvbS9pbnZpdGF0aW9u"
READ = """query ($id: ID!) { account(id: $id) {
    invitations { nodes { status delivery } } messages(first: 20) { nodes { kind to status failureReason } } } }"""


@dataclass
class StrictMailServer(FakeMailServer):
    """A mail server that rejects some addresses."""

    replies_by_address: dict[str, str] = field(default_factory=dict[str, str])

    async def handle_RCPT(  # noqa: N802 - the library's
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        reply = self.replies_by_address.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply


@pytest.fixture
async def strict(database_url: str, clock: Clock) -> AsyncIterator[tuple[Api, StrictMailServer]]:
    """A client of the application, and the mail server to which it sends."""
    peer = StrictMailServer()
    with serve(peer, enable_SMTPUTF8=False):
        application = create_application(
            database_url, clock, smtp_url=f"smtp://127.0.0.1:{peer.port}", trials_per_user=9
        )
        async with run_application(application) as http:
            yield Api(http, clock, application), peer


async def invite(api: Api, owner: Person, email: str = INVITEE) -> str:
    arguments = {"accountId": owner.account_id, "email": email, "role": "ACCOUNTANT"}
    payload = await api.do("inviteUser", arguments, "invitation { id delivery }", by=owner)
    assert codes(payload) == []
    assert payload["invitation"]["delivery"] in {"QUEUED", "FAILED", "STOPPED"}
    invitation_id: str = payload["invitation"]["id"]
    return invitation_id


async def settle() -> None:
    """Wait until no mail is queued."""
    async with asyncio.timeout(15):
        while await db.fetch("SELECT FROM messages WHERE status = 'QUEUED'", row=db.Row):  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.02)


async def read(api: Api, owner: Person) -> tuple[list[Any], dict[str, Any]]:
    """The invitations of the owner's account, and the mail to the invitee. The account may have a guest, Ada."""
    account = (await api.ask(READ, {"id": owner.account_id}, by=owner)).data["account"]
    (message,) = [node for node in account["messages"]["nodes"] if node["to"] not in {owner.email, "ada@example.com"}]
    return account["invitations"]["nodes"], message


async def test_inviter_reads_why_an_invitation_was_not_delivered_and_gets_a_mail(
    strict: tuple[Api, StrictMailServer],
) -> None:
    api, peer = strict
    owner = await api.person("olga@example.com", locale="sv")
    peer.replies_by_address[INVITEE] = f"550 5.1.1 no such user, see {SECRET}"
    invitation_id = await invite(api, owner)
    await settle()

    invitations, message = await read(api, owner)

    reason = "E-postservern godtar inte den här adressen. (550 5.1.1)"
    assert invitations == [{"status": "PENDING", "delivery": "FAILED"}]
    assert message == {"kind": "invitation", "to": INVITEE, "status": "FAILED", "failureReason": reason}
    assert len(await mails(owner.email, "offer-failed")) == 1
    (mail,) = [mail for mail in peer.mails if INVITEE in mail["Subject"]]
    body = mail.get_body(("plain",))
    assert body is not None
    assert reason in " ".join(body.get_content().split())
    assert "no such user" not in mail.as_string()

    peer.replies_by_address.clear()
    assert codes(await api.do("resendInvitation", {"invitationId": invitation_id}, by=owner)) == []
    await settle()
    account = (await api.ask(READ, {"id": owner.account_id}, by=owner)).data["account"]
    assert account["invitations"]["nodes"] == [{"status": "PENDING", "delivery": "SENT"}]
    assert len(await mails(owner.email, "offer-failed")) == 1


async def test_address_that_the_mail_server_cannot_reach_fails_at_once(strict: tuple[Api, StrictMailServer]) -> None:
    """A server without SMTPUTF8 never gets it. Before, the mail was tried for two days."""
    api, _ = strict
    owner = await api.person("olga@example.com")
    await invite(api, owner, "łukasz@example.com")
    await settle()

    invitations, message = await read(api, owner)

    assert invitations[0]["delivery"] == "FAILED"
    assert message["failureReason"] == "The mail server cannot send to an address with such letters."
    assert len(await mails(owner.email, "offer-failed")) == 1


async def test_bureau_hears_of_the_bounce_of_a_client_account(strict: tuple[Api, StrictMailServer]) -> None:
    api, peer = strict
    bureau = await register_bureau(api)
    peer.replies_by_address[INVITEE] = "550 unknown"
    arguments = {"bureauAccountId": bureau.account_id, "name": "Klient", "ownerName": "Bo", "ownerEmail": INVITEE}
    assert codes(await api.do("createClientAccount", arguments, by=bureau)) == []
    await settle()

    assert len(await mails(bureau.email, "offer-failed")) == 1
    assert await mails(INVITEE, "offer-failed") == []


async def test_former_member_hears_nothing_of_the_account(strict: tuple[Api, StrictMailServer]) -> None:
    """The inviter left before the mail failed."""
    api, peer = strict
    owner = await api.person("olga@example.com")
    admin, grant_id = await api.guest(owner, "ada@example.com", "ADMINISTRATOR")
    peer.replies_by_address[INVITEE] = "450 4.2.1 later"
    await invite(api, admin)
    async with asyncio.timeout(15):
        while not (await mails(INVITEE, "invitation"))[0].failure:  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.02)
    invitations, message = await read(api, owner)
    assert {"status": "PENDING", "delivery": "QUEUED"} in invitations
    assert message["failureReason"] == "The mail server did not accept the mail yet. (450 4.2.1)"
    assert codes(await api.do("revokeGrant", {"grantId": grant_id}, by=owner)) == []
    peer.replies_by_address[INVITEE] = "550 5.1.1 unknown"
    api.clock.forward(minutes=2)
    await settle()

    assert await mails(admin.email, "offer-failed") == []


async def test_block_of_the_receiver_shows_as_stopped(strict: tuple[Api, StrictMailServer]) -> None:
    api, peer = strict
    owner = await api.person("olga@example.com")
    stranger = await api.person("other@example.com")
    await invite(api, stranger)
    await settle()
    (mail,) = [mail for mail in peer.mails if INVITEE in str(mail["To"])]
    path = mail["List-Unsubscribe"].strip("<>").removeprefix("http://fullmakt.example.com")
    response = await api.http.post(path, data={"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    await invite(api, owner)

    invitations, message = await read(api, owner)

    assert invitations == [{"status": "PENDING", "delivery": "STOPPED"}]
    assert message["failureReason"] == "The receiver has stopped mails of this kind."
    assert await mails(owner.email, "offer-failed") == []


@pytest.mark.parametrize("is_taken", [False, True])
async def test_user_hears_that_a_new_address_cannot_be_reached(
    strict: tuple[Api, StrictMailServer], *, is_taken: bool
) -> None:
    api, peer = strict
    anna = await api.person("anna@example.com")
    if is_taken:
        await api.person(INVITEE, "Bo Berg")
    peer.replies_by_address[INVITEE] = "550 5.1.1 no such user"

    change = {"newEmail": INVITEE, "password": PASSWORD}
    assert codes(await api.do("changeEmail", change, by=anna)) == []
    await settle()

    (mail,) = await mails(anna.email, "email-change-failed")
    assert INVITEE in mail.params
