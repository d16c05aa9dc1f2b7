"""The main use case with a real server process, a real database and a real mail server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.api import PASSWORD, Api, codes
from tests.commands.command_line import run_command
from tests.serving import MailServer, ServerProcess, mail_server, run_process

ANNA, MAREK, OLA, NILS = (f"{name}@example.com" for name in ("anna", "marek", "ola", "nils"))
FIRM, OFFICE = "Nowak Meble", "Biuro Lis"

GUARDED_QUERY = """query ($id: ID!) { account(id: $id) {
    name subscription { daysLeft } settings { invoicePrefix } grants { totalCount } events { totalCount }
} }"""


@dataclass
class Setup:
    """The server, its mail server, and shortcuts for frequent steps."""

    server: ServerProcess
    mail_host: MailServer

    @property
    def api(self) -> Api:
        return self.server.api

    async def register(self, name: str, email: str, account_name: str) -> str:
        """Register, follow the link in the mail, and sign in. Returns the access token."""
        arguments = {"name": name, "email": email, "password": PASSWORD, "accountName": account_name}
        payload = await self.api.do("register", arguments, "registrationSecret")
        assert payload["errors"] == []
        path, token = await self.mail_host.wait_for_link(email, "Activate your Fullmakt login")
        assert path == "/activate"
        activation = {"token": token, "registrationSecret": payload["registrationSecret"]}
        return await self.access_token(await self.api.do("activate", activation, "accessToken"))

    async def invite(self, by: str, account: str, email: str, role: str, subject: str) -> str:
        """Invite an address. Returns the token from the mail."""
        arguments = {"accountId": account, "email": email, "role": role}
        payload = await self.api.do("inviteUser", arguments, "invitation { status }", by=by)
        assert payload == {"invitation": {"status": "PENDING"}, "errors": []}
        path, token = await self.mail_host.wait_for_link(email, subject)
        assert path == "/invitation"
        return token

    async def access_token(self, payload: dict[str, Any]) -> str:
        assert payload["errors"] == []
        token: str = payload["accessToken"]
        return token

    async def account_ids(self, by: str) -> dict[str, str]:
        """The ids of the user's accounts by name."""
        answer = await self.api.ask("{ viewer { accounts { nodes { id name } } } }", by=by)
        return {account["name"]: account["id"] for account in answer.data["viewer"]["accounts"]["nodes"]}

    async def current_account_name(self, by: str, account: str | None = None) -> str | None:
        """The name of the current account. None if there is none."""
        answer = await self.api.ask("{ viewer { currentAccount { name } } }", by=by, account=account)
        name: str | None = (answer.data["viewer"]["currentAccount"] or {}).get("name")
        return name

    async def days_left(self, by: str, account: str) -> int:
        answer = await self.api.ask(
            "query ($id: ID!) { account(id: $id) { subscription { daysLeft } } }", {"id": account}, by=by
        )
        days: int = answer.data["account"]["subscription"]["daysLeft"]
        return days


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    with mail_server() as mail_host:
        async with run_process(database_url, FULLMAKT_SMTP_URL=f"smtp://127.0.0.1:{mail_host.port}") as server:
            yield Setup(server, mail_host)


async def test_owner_shares_account_with_accountant_and_colleague(  # noqa: PLR0915 - one long scenario
    setup: Setup, database_url: str
) -> None:
    api = setup.api

    # Anna registers. Sign-in is refused until Anna follows the link.
    register_input = {"name": "Anna Nowak", "email": ANNA, "password": PASSWORD, "accountName": FIRM}
    registration = await api.do("register", register_input, "registrationSecret")
    early_payload = await api.do("signIn", {"email": ANNA, "password": PASSWORD}, "accessToken")
    assert (early_payload["accessToken"], codes(early_payload)) == (None, [("NOT_ACTIVATED", ["email"])])
    _, token = await setup.mail_host.wait_for_link(ANNA, "Activate your Fullmakt login")
    activation = {"token": token, "registrationSecret": registration["registrationSecret"]}
    anna = await setup.access_token(await api.do("activate", activation, "accessToken"))
    firm = (await setup.account_ids(anna))[FIRM]

    # Anna invites an accountant. Marek reads the invitation and creates a login and an account.
    token = await setup.invite(anna, firm, MAREK, "ACCOUNTANT", f"{ANNA} invites you to “{FIRM}”")
    query = "query ($t: String!) { invitation(token: $t) { status accountName invitedByName email role hasLogin } }"
    assert (await api.ask(query, {"t": token})).data["invitation"] == {
        "status": "PENDING",
        "accountName": FIRM,
        "invitedByName": "Anna Nowak",
        "email": "m***@example.com",
        "role": "ACCOUNTANT",
        "hasLogin": False,
    }
    accept_input = {"token": token, "name": "Marek Lis", "password": PASSWORD, "ownAccountName": OFFICE}
    accept_payload = await api.do("acceptInvitation", accept_input, "accessToken grant { id role } account { name }")
    assert accept_payload["grant"]["role"] == "ACCOUNTANT"
    assert accept_payload["account"] == {"name": FIRM}
    marek, marek_grant = accept_payload["accessToken"], accept_payload["grant"]["id"]
    assert codes(await api.do("acceptInvitation", accept_input)) == [("TOKEN_INVALID", ["token"])]
    assert FIRM in await setup.mail_host.wait_for_text(ANNA, f"{MAREK} now has access to {FIRM}")
    assert FIRM in await setup.mail_host.wait_for_text(MAREK, f"You now have access to {FIRM}")
    office = (await setup.account_ids(marek))[OFFICE]

    # Ola already has a login and accepts the invitation without a link.
    ola = await setup.register("Ola Kowalska", OLA, "Ola Kowalska")
    await setup.invite(anna, firm, OLA, "SIMPLE_USER", f"{ANNA} invites you to “{FIRM}”")
    answer = await api.ask("{ viewer { invitations { nodes { id accountName role } } } }", by=ola)
    (invitation,) = answer.data["viewer"]["invitations"]["nodes"]
    assert (invitation["accountName"], invitation["role"]) == (FIRM, "SIMPLE_USER")
    join_payload = await api.do(
        "acceptInvitation", {"invitationId": invitation["id"]}, "accessToken grant { id status }", by=ola
    )
    assert (join_payload["accessToken"], join_payload["grant"]["status"]) == (None, "ACTIVE")
    ola_grant = join_payload["grant"]["id"]

    # Ola invites Marek, who accepts by the link with the existing login.
    ola_account_id = (await setup.account_ids(ola))["Ola Kowalska"]
    token = await setup.invite(ola, ola_account_id, MAREK, "COLLABORATOR", f"{OLA} invites you to “Ola Kowalska”")
    assert (await api.ask(query, {"t": token})).data["invitation"]["hasLogin"] is True
    assert codes(await api.do("acceptInvitation", {"token": token}, by=anna)) == [("EMAIL_MISMATCH", None)]
    assert (await api.do("acceptInvitation", {"token": token}, by=marek))["errors"] == []
    assert (await setup.account_ids(marek)).keys() == {FIRM, OFFICE, "Ola Kowalska"}

    # Marek switches between accounts without signing in again. A request header can choose another account.
    for name, key in (await setup.account_ids(marek)).items():
        assert (await api.do("switchAccount", {"accountId": key}, "account { name }", by=marek))["account"] == {
            "name": name
        }
        assert await setup.current_account_name(marek) == name
        assert await setup.current_account_name(marek, account=office) == OFFICE
    stranger_answer = await api.ask("{ viewer { currentAccount { name } } }", by=anna, account=office)
    assert (stranger_answer.status, stranger_answer.codes) == (200, ["ACCOUNT_REQUIRED"])
    assert stranger_answer.partial == {"viewer": {"currentAccount": None}}

    # Each guest reads only what the role allows. Other fields are null with an error.
    guarded_answer = await api.ask(GUARDED_QUERY, {"id": firm}, by=anna)
    assert guarded_answer.data["account"]["settings"] == {"invoicePrefix": ""}
    assert guarded_answer.data["account"]["grants"] == {"totalCount": 3}
    for guest, role in ((marek, "ACCOUNTANT"), (ola, "SIMPLE_USER")):
        guarded_answer = await api.ask(GUARDED_QUERY, {"id": firm}, by=guest)
        visible_fields = {name: value is not None for name, value in guarded_answer.partial["account"].items()}
        assert visible_fields == {
            "name": True,
            "subscription": True,
            "settings": False,
            "grants": False,
            "events": False,
        }
        assert {(error["path"][-1], error["extensions"]["permission"]) for error in guarded_answer.errors} == {
            ("settings", "SETTINGS_READ"),
            ("grants", "USERS_READ"),
            ("events", "EVENTS_READ"),
        }
        assert {error["extensions"]["code"] for error in guarded_answer.errors} == {"FORBIDDEN"}
        assert {error["extensions"]["role"] for error in guarded_answer.errors} == {role}
    rename_answer = await api.ask(
        "mutation ($i: UpdateAccountInput!) { updateAccount(input: $i) { errors { code } } }",
        {"i": {"accountId": firm, "name": "Mine"}},
        by=marek,
    )
    assert rename_answer.codes == ["FORBIDDEN"]

    # The operator credits days of the office account, because its trial days stay there.
    office_answer = await api.ask("query ($id: ID!) { account(id: $id) { number } }", {"id": office}, by=marek)
    credit_arguments = ("credit", str(office_answer.data["account"]["number"]), "25", "--reference", "order 1")
    assert (await run_command(database_url, *credit_arguments))[0] == 0

    # Marek transfers ten days from the office account to Anna's account. Both ledgers show it.
    extend_input = {"accountId": firm, "payerAccountId": office, "days": 10, "idempotencyKey": "november"}
    days_before = await setup.days_left(anna, firm), await setup.days_left(marek, office)
    for _ in range(2):
        assert (await api.do("extendSubscription", extend_input, by=marek))["errors"] == []
    assert (await setup.days_left(anna, firm), await setup.days_left(marek, office)) == (
        days_before[0] + 10,
        days_before[1] - 10,
    )
    excessive_payload = await api.do(
        "extendSubscription", {**extend_input, "days": 30, "idempotencyKey": "december"}, by=marek
    )
    assert codes(excessive_payload) == [("INSUFFICIENT_DAYS", ["days"])]
    ledger = """query ($id: ID!) { account(id: $id) { subscription { entries { nodes {
        days kind counterpart { name } actor { name }
    } } } } }"""
    for side, key, days, kind, counterpart in (
        (anna, firm, 10, "TRANSFER_IN", OFFICE),
        (marek, office, -10, "TRANSFER_OUT", FIRM),
    ):
        entries = (await api.ask(ledger, {"id": key}, by=side)).data["account"]["subscription"]["entries"]["nodes"]
        assert entries[0] == {
            "days": days,
            "kind": kind,
            "counterpart": {"name": counterpart},
            "actor": {"name": "Marek Lis"},
        }
        credit_kinds = ["CREDIT"] if side == marek else []
        assert [row["kind"] for row in entries] == [kind, *credit_kinds, "TRIAL"]

    # Anna revokes the access of Marek. The running session is refused on the next request.
    assert (await api.ask(GUARDED_QUERY, {"id": firm}, by=marek)).partial["account"]["name"] == FIRM
    revoke_payload = await api.do("revokeGrant", {"grantId": marek_grant}, "grant { status }", by=anna)
    assert revoke_payload["grant"] == {"status": "REVOKED"}
    assert (await api.ask(GUARDED_QUERY, {"id": firm}, by=marek)).partial == {"account": None}
    assert (await api.ask("{ viewer { currentAccount { id } } }", by=marek, account=firm)).codes == ["ACCOUNT_REQUIRED"]
    assert FIRM not in await setup.account_ids(marek)
    assert codes(await api.do("extendSubscription", {**extend_input, "idempotencyKey": "x"}, by=marek)) == [
        ("NOT_FOUND", ["accountId"])
    ]

    # Anna restores the access with the same role.
    restore_payload = await api.do("restoreGrant", {"grantId": marek_grant}, "grant { status role }", by=anna)
    assert restore_payload["grant"] == {"status": "ACTIVE", "role": "ACCOUNTANT"}
    assert await setup.current_account_name(marek, account=firm) == FIRM

    # Ola resigns. The grant cannot be restored.
    resign_payload = await api.do("resignGrant", {"grantId": ola_grant}, "grant { status }", by=ola)
    assert resign_payload["grant"] == {"status": "RESIGNED"}
    assert FIRM not in await setup.account_ids(ola)
    assert codes(await api.do("restoreGrant", {"grantId": ola_grant}, by=anna)) == [("INVALID_STATE", ["grantId"])]

    # Nils declines without a login. Anna gets a mail.
    token = await setup.invite(anna, firm, NILS, "COLLABORATOR", f"{ANNA} invites you to “{FIRM}”")
    assert (await api.do("declineInvitation", {"token": token}))["errors"] == []
    await setup.mail_host.wait_for_text(ANNA, f"{NILS} declined your invitation to {FIRM}")

    # The account's events name all actors. Marek's own events contain the operations of Marek.
    history = (
        "{ account: viewer { currentAccount { events(first: 100) { nodes { type actor { name } actorRole } } } } }"
    )
    nodes = (await api.ask(history, by=anna, account=firm)).data["account"]["currentAccount"]["events"]["nodes"]
    events = [(node["type"], node["actor"] and node["actor"]["name"], node["actorRole"]) for node in nodes]
    assert ("account:invitation:accept", "Marek Lis", "ACCOUNTANT") in events
    assert ("account:invitation:accept", "Ola Kowalska", "SIMPLE_USER") in events
    assert ("account:subscription:extend", "Marek Lis", "ACCOUNTANT") in events
    assert ("account:grant:revoke", "Anna Nowak", "OWNER") in events
    assert ("account:grant:restore", "Anna Nowak", "OWNER") in events
    assert ("account:grant:resign", "Ola Kowalska", "SIMPLE_USER") in events
    assert "account:invitation:decline" in {kind for kind, _, _ in events}
    own_events = (await api.ask("{ viewer { events(first: 100) { nodes { type } } } }", by=marek)).data["viewer"][
        "events"
    ]
    assert {"account:invitation:accept", "account:subscription:extend", "account:subscription:give"} <= {
        node["type"] for node in own_events["nodes"]
    }

    # The account lists its messages. All are sent.
    mails = "{ viewer { currentAccount { messages(first: 100) { nodes { to status } } } } }"
    async with asyncio.timeout(5):
        statuses = {"QUEUED"}
        while "QUEUED" in statuses:
            nodes = (await api.ask(mails, by=anna, account=firm)).data["viewer"]["currentAccount"]["messages"]["nodes"]
            statuses = {node["status"] for node in nodes}
    assert statuses == {"SENT"}
    assert {node["to"] for node in nodes} == {ANNA, MAREK, OLA, NILS}

    # No mail was sent twice. The server's error output is empty, and its output contains no token.
    assert [mail["Subject"] for mail in setup.mail_host.messages_to(NILS)] == [f"{ANNA} invites you to “{FIRM}”"]
    assert len({mail["Message-ID"] for mail in setup.mail_host.messages}) == len(setup.mail_host.messages)
    code, output, log = await setup.server.stop()
    assert (code, log) == (0, "")
    assert token not in output


async def test_forgotten_password_can_be_reset_by_mail(setup: Setup) -> None:
    api = setup.api
    anna = await setup.register("Anna Nowak", ANNA, FIRM)
    new_password = "a heron under the long bridge"

    assert (await api.do("requestPasswordReset", {"email": ANNA}))["errors"] == []
    path, token = await setup.mail_host.wait_for_link(ANNA, "Choose a new password")
    assert path == "/reset"
    assert (await api.do("resetPassword", {"token": token, "password": new_password}))["errors"] == []

    assert (await api.ask("{ viewer { user { name } } }", by=anna)).data == {"viewer": None}
    old_payload = await api.do("signIn", {"email": ANNA, "password": PASSWORD}, "accessToken")
    assert codes(old_payload) == [("INVALID_CREDENTIALS", None)]
    new_payload = await api.do("signIn", {"email": ANNA, "password": new_password}, "accessToken")
    assert await setup.current_account_name(await setup.access_token(new_payload)) == FIRM
    assert codes(await api.do("resetPassword", {"token": token, "password": PASSWORD})) == [
        ("TOKEN_INVALID", ["token"])
    ]


async def test_registration_of_taken_address_is_reported_by_mail_only(setup: Setup) -> None:
    await setup.register("Anna Nowak", ANNA, FIRM)

    arguments = {"name": "Eve", "email": ANNA.upper(), "password": "another fine long phrase"}
    assert await setup.api.do("register", arguments) == {"errors": []}

    await setup.mail_host.wait_for_text(ANNA, "Registration attempt with your address")


async def test_server_stops_on_signal_and_next_server_has_the_data(database_url: str) -> None:
    with mail_server() as mail_host:
        smtp_url = f"smtp://127.0.0.1:{mail_host.port}"
        async with run_process(database_url, FULLMAKT_SMTP_URL=smtp_url) as first:
            token = await Setup(first, mail_host).register("Anna Nowak", ANNA, FIRM)
            async with asyncio.timeout(5):
                code, output, log = await first.stop()
        assert (code, log) == (0, "")
        assert output == f"Fullmakt listens on 127.0.0.1 port {first.port}.\n"
        async with run_process(database_url, FULLMAKT_SMTP_URL=smtp_url) as second:
            assert (await Setup(second, mail_host).account_ids(token)).keys() == {FIRM}


async def test_two_workers_serve_one_session(database_url: str) -> None:
    with mail_server() as mail_host:
        async with run_process(
            database_url, FULLMAKT_SMTP_URL=f"smtp://127.0.0.1:{mail_host.port}", FULLMAKT_WORKERS="2"
        ) as server:
            setup = Setup(server, mail_host)
            token = await setup.register("Anna Nowak", ANNA, FIRM)
            for _ in range(20):
                assert (await setup.account_ids(token)).keys() == {FIRM}
            assert (await server.stop())[0] == 0
