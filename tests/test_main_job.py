"""The main job, told as its users live it: a real server process, a real database, a real mail server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.api import PASSWORD, Api, codes
from tests.serving import Post, Served, post, serve

ANNA, MAREK, OLA, NILS = (f"{name}@example.com" for name in ("anna", "marek", "ola", "nils"))
FIRM, OFFICE = "Nowak Meble", "Biuro Lis"

GUARDED = """query ($id: ID!) { account(id: $id) {
    name subscription { daysLeft } settings { invoicePrefix } grants { totalCount } events { totalCount }
} }"""


@dataclass
class World:
    """The server, its mail, and short words for what people do with both."""

    served: Served
    post: Post

    @property
    def api(self) -> Api:
        return self.served.api

    async def register(self, name: str, email: str, account_name: str) -> str:
        """Sign up, follow the link in the mail, and be signed in. Gives the bearer token."""
        given = {"name": name, "email": email, "password": PASSWORD, "accountName": account_name}
        assert (await self.api.do("register", given))["errors"] == []
        path, token = await self.post.link(email, "Activate your Fullmakt login")
        assert path == "/activate"
        return await self.signed_in(await self.api.do("activate", {"token": token}, "accessToken"))

    async def invite(self, by: str, account: str, email: str, role: str, subject: str) -> str:
        """Invite somebody. Gives the token out of the mail that he gets."""
        given = {"accountId": account, "email": email, "role": role}
        done = await self.api.do("inviteUser", given, "invitation { status }", by=by)
        assert done == {"invitation": {"status": "PENDING"}, "errors": []}
        path, token = await self.post.link(email, subject)
        assert path == "/invitation"
        return token

    async def signed_in(self, payload: dict[str, Any]) -> str:
        assert payload["errors"] == []
        token: str = payload["accessToken"]
        return token

    async def accounts(self, by: str) -> dict[str, str]:
        """The quick menu: ids by name."""
        answer = await self.api.ask("{ viewer { accounts { nodes { id name } } } }", by=by)
        return {account["name"]: account["id"] for account in answer.data["viewer"]["accounts"]["nodes"]}

    async def current(self, by: str, account: str | None = None) -> str | None:
        """The name of the account that a request is in."""
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
async def world(database_url: str) -> AsyncIterator[World]:
    with post() as office:
        async with serve(database_url, FULLMAKT_SMTP_URL=f"smtp://127.0.0.1:{office.port}") as served:
            yield World(served, office)


async def test_an_owner_shares_his_account_with_his_accountant_and_a_colleague(  # noqa: PLR0915 - one long story
    world: World,
) -> None:
    api = world.api

    # Anna signs up; until she follows the link, her password opens nothing.
    given = {"name": "Anna Nowak", "email": ANNA, "password": PASSWORD, "accountName": FIRM}
    assert (await api.do("register", given))["errors"] == []
    early = await api.do("signIn", {"email": ANNA, "password": PASSWORD}, "accessToken")
    assert (early["accessToken"], codes(early)) == (None, [("NOT_ACTIVATED", ["email"])])
    _, token = await world.post.link(ANNA, "Activate your Fullmakt login")
    anna = await world.signed_in(await api.do("activate", {"token": token}, "accessToken"))
    firm = (await world.accounts(anna))[FIRM]

    # She invites her accountant, who sees what it is about, and makes a login and an account of his own.
    token = await world.invite(anna, firm, MAREK, "ACCOUNTANT", f"Anna Nowak invites you to {FIRM}")
    shown = "query ($t: String!) { invitation(token: $t) { status accountName invitedByName email role hasLogin } }"
    assert (await api.ask(shown, {"t": token})).data["invitation"] == {
        "status": "PENDING",
        "accountName": FIRM,
        "invitedByName": "Anna Nowak",
        "email": "m***@example.com",
        "role": "ACCOUNTANT",
        "hasLogin": False,
    }
    accepting = {"token": token, "name": "Marek Lis", "password": PASSWORD, "ownAccountName": OFFICE}
    accepted = await api.do("acceptInvitation", accepting, "accessToken grant { id role } account { name }")
    assert accepted["grant"]["role"] == "ACCOUNTANT"
    assert accepted["account"] == {"name": FIRM}
    marek, marek_grant = accepted["accessToken"], accepted["grant"]["id"]
    assert codes(await api.do("acceptInvitation", accepting)) == [("TOKEN_INVALID", ["token"])]
    assert FIRM in await world.post.arrival(ANNA, f"{MAREK} now has access to {FIRM}")
    assert FIRM in await world.post.arrival(MAREK, f"You now have access to {FIRM}")
    office = (await world.accounts(marek))[OFFICE]

    # Ola has a login already: the invitation waits in her menu, and needs no link.
    ola = await world.register("Ola Kowalska", OLA, "Ola Kowalska")
    await world.invite(anna, firm, OLA, "SIMPLE_USER", f"Anna Nowak invites you to {FIRM}")
    waiting = await api.ask("{ viewer { invitations { nodes { id accountName role } } } }", by=ola)
    (invitation,) = waiting.data["viewer"]["invitations"]["nodes"]
    assert (invitation["accountName"], invitation["role"]) == (FIRM, "SIMPLE_USER")
    joined = await api.do(
        "acceptInvitation", {"invitationId": invitation["id"]}, "accessToken grant { id status }", by=ola
    )
    assert (joined["accessToken"], joined["grant"]["status"]) == (None, "ACTIVE")
    ola_grant = joined["grant"]["id"]

    # Ola in turn invites Marek, who accepts with the login that he has by now, by the link.
    hers = (await world.accounts(ola))["Ola Kowalska"]
    token = await world.invite(ola, hers, MAREK, "COLLABORATOR", "Ola Kowalska invites you to Ola Kowalska")
    assert (await api.ask(shown, {"t": token})).data["invitation"]["hasLogin"] is True
    assert codes(await api.do("acceptInvitation", {"token": token}, by=anna)) == [("EMAIL_MISMATCH", None)]
    assert (await api.do("acceptInvitation", {"token": token}, by=marek))["errors"] == []
    assert (await world.accounts(marek)).keys() == {FIRM, OFFICE, "Ola Kowalska"}

    # He goes from one to the other without signing in again; a second tab may be elsewhere.
    for name, key in (await world.accounts(marek)).items():
        assert (await api.do("switchAccount", {"accountId": key}, "account { name }", by=marek))["account"] == {
            "name": name
        }
        assert await world.current(marek) == name
        assert await world.current(marek, account=office) == OFFICE
    stranger = await api.ask("{ viewer { user { name } } }", by=anna, account=office)
    assert (stranger.status, stranger.codes) == (403, ["ACCOUNT_REQUIRED"])

    # Each sees what his role allows; what it does not allow is null, and says why.
    read = await api.ask(GUARDED, {"id": firm}, by=anna)
    assert read.data["account"]["settings"] == {"invoicePrefix": ""}
    assert read.data["account"]["grants"] == {"totalCount": 3}
    for guest, role in ((marek, "ACCOUNTANT"), (ola, "SIMPLE_USER")):
        read = await api.ask(GUARDED, {"id": firm}, by=guest)
        seen = {name: value is not None for name, value in read.partial["account"].items()}
        assert seen == {"name": True, "subscription": True, "settings": False, "grants": False, "events": False}
        assert {(error["path"][-1], error["extensions"]["permission"]) for error in read.errors} == {
            ("settings", "SETTINGS_READ"),
            ("grants", "USERS_READ"),
            ("events", "EVENTS_READ"),
        }
        assert {error["extensions"]["code"] for error in read.errors} == {"FORBIDDEN"}
        assert {error["extensions"]["role"] for error in read.errors} == {role}
    renamed = await api.ask(
        "mutation ($i: UpdateAccountInput!) { updateAccount(input: $i) { errors { code } } }",
        {"i": {"accountId": firm, "name": "Mine"}},
        by=marek,
    )
    assert renamed.codes == ["FORBIDDEN"]

    # Marek pays ten days for his client out of his own account; both ledgers and both histories show it.
    paying = {"accountId": firm, "payerAccountId": office, "days": 10, "idempotencyKey": "november"}
    before = await world.days_left(anna, firm), await world.days_left(marek, office)
    for _ in range(2):
        assert (await api.do("extendSubscription", paying, by=marek))["errors"] == []
    assert (await world.days_left(anna, firm), await world.days_left(marek, office)) == (before[0] + 10, before[1] - 10)
    too_much = await api.do("extendSubscription", {**paying, "days": 30, "idempotencyKey": "december"}, by=marek)
    assert codes(too_much) == [("INSUFFICIENT_DAYS", ["days"])]
    ledger = """query ($id: ID!) { account(id: $id) { subscription { entries { nodes {
        days kind counterpart { name } actor { name }
    } } } } }"""
    for side, key, days, kind, other in (
        (anna, firm, 10, "TRANSFER_IN", OFFICE),
        (marek, office, -10, "TRANSFER_OUT", FIRM),
    ):
        found = (await api.ask(ledger, {"id": key}, by=side)).data["account"]["subscription"]["entries"]["nodes"]
        assert found[0] == {
            "days": days,
            "kind": kind,
            "counterpart": {"name": other},
            "actor": {"name": "Marek Lis"},
        }
        assert [entry["kind"] for entry in found] == [kind, "TRIAL"]

    # Anna takes his access back: the running session is refused on its very next request.
    assert (await api.ask(GUARDED, {"id": firm}, by=marek)).partial["account"]["name"] == FIRM
    revoked = await api.do("revokeGrant", {"grantId": marek_grant}, "grant { status }", by=anna)
    assert revoked["grant"] == {"status": "REVOKED"}
    assert (await api.ask(GUARDED, {"id": firm}, by=marek)).partial == {"account": None}
    assert (await api.ask("{ viewer { user { name } } }", by=marek, account=firm)).codes == ["ACCOUNT_REQUIRED"]
    assert FIRM not in await world.accounts(marek)
    assert codes(await api.do("extendSubscription", {**paying, "idempotencyKey": "x"}, by=marek)) == [
        ("NOT_FOUND", ["accountId"])
    ]

    # And gives it again, with the role he had.
    restored = await api.do("restoreGrant", {"grantId": marek_grant}, "grant { status role }", by=anna)
    assert restored["grant"] == {"status": "ACTIVE", "role": "ACCOUNTANT"}
    assert await world.current(marek, account=firm) == FIRM

    # Ola leaves by herself; only a new invitation would bring her back.
    resigned = await api.do("resignGrant", {"grantId": ola_grant}, "grant { status }", by=ola)
    assert resigned["grant"] == {"status": "RESIGNED"}
    assert FIRM not in await world.accounts(ola)
    assert codes(await api.do("restoreGrant", {"grantId": ola_grant}, by=anna)) == [("INVALID_STATE", ["grantId"])]

    # Nils declines, without a login; Anna is told.
    token = await world.invite(anna, firm, NILS, "COLLABORATOR", f"Anna Nowak invites you to {FIRM}")
    assert (await api.do("declineInvitation", {"token": token}))["errors"] == []
    await world.post.arrival(ANNA, f"{NILS} declined your invitation to {FIRM}")

    # The owner's history names everybody, the guest's own what he did, and no token is in either.
    history = (
        "{ account: viewer { currentAccount { events(first: 100) { nodes { type actor { name } actorRole } } } } }"
    )
    nodes = (await api.ask(history, by=anna, account=firm)).data["account"]["currentAccount"]["events"]["nodes"]
    happened = [(node["type"], node["actor"] and node["actor"]["name"], node["actorRole"]) for node in nodes]
    assert ("account:invitation:accept", "Marek Lis", "ACCOUNTANT") in happened
    assert ("account:invitation:accept", "Ola Kowalska", "SIMPLE_USER") in happened
    assert ("account:subscription:extend", "Marek Lis", "ACCOUNTANT") in happened
    assert ("account:grant:revoke", "Anna Nowak", "OWNER") in happened
    assert ("account:grant:restore", "Anna Nowak", "OWNER") in happened
    assert ("account:grant:resign", "Ola Kowalska", "SIMPLE_USER") in happened
    assert "account:invitation:decline" in {kind for kind, _, _ in happened}
    mine = (await api.ask("{ viewer { events(first: 100) { nodes { type } } } }", by=marek)).data["viewer"]["events"]
    assert {"account:invitation:accept", "account:subscription:extend", "account:subscription:give"} <= {
        node["type"] for node in mine["nodes"]
    }

    # The account sees its mails, and that each was sent.
    mails = "{ viewer { currentAccount { messages(first: 100) { nodes { to status } } } } }"
    async with asyncio.timeout(5):
        statuses = {"QUEUED"}
        while "QUEUED" in statuses:
            nodes = (await api.ask(mails, by=anna, account=firm)).data["viewer"]["currentAccount"]["messages"]["nodes"]
            statuses = {node["status"] for node in nodes}
    assert statuses == {"SENT"}
    assert {node["to"] for node in nodes} == {ANNA, MAREK, OLA, NILS}

    # Nothing was mailed twice, and the process has nothing to report.
    assert [mail["Subject"] for mail in world.post.to(NILS)] == [f"Anna Nowak invites you to {FIRM}"]
    assert len({mail["Message-ID"] for mail in world.post.taken}) == len(world.post.taken)
    code, said, log = await world.served.stop()
    assert (code, log) == (0, "")
    assert token not in said


async def test_a_forgotten_password_is_chosen_anew_by_mail(world: World) -> None:
    api = world.api
    anna = await world.register("Anna Nowak", ANNA, FIRM)
    fresh = "a heron under the long bridge"

    assert (await api.do("requestPasswordReset", {"email": ANNA}))["errors"] == []
    path, token = await world.post.link(ANNA, "Choose a new password")
    assert path == "/reset"
    assert (await api.do("resetPassword", {"token": token, "password": fresh}))["errors"] == []

    assert (await api.ask("{ viewer { user { name } } }", by=anna)).data == {"viewer": None}
    old = await api.do("signIn", {"email": ANNA, "password": PASSWORD}, "accessToken")
    assert codes(old) == [("INVALID_CREDENTIALS", None)]
    new = await api.do("signIn", {"email": ANNA, "password": fresh}, "accessToken")
    assert await world.current(await world.signed_in(new)) == FIRM
    assert codes(await api.do("resetPassword", {"token": token, "password": PASSWORD})) == [
        ("TOKEN_INVALID", ["token"])
    ]


async def test_a_taken_address_is_told_by_mail_alone(world: World) -> None:
    await world.register("Anna Nowak", ANNA, FIRM)

    again = {"name": "Eve", "email": ANNA.upper(), "password": "another fine long phrase"}
    assert await world.api.do("register", again) == {"errors": []}

    await world.post.arrival(ANNA, "Somebody tried to register with your address")


async def test_a_server_ends_when_told_and_the_next_has_the_data(database_url: str) -> None:
    with post() as office:
        smtp_url = f"smtp://127.0.0.1:{office.port}"
        async with serve(database_url, FULLMAKT_SMTP_URL=smtp_url) as first:
            token = await World(first, office).register("Anna Nowak", ANNA, FIRM)
            async with asyncio.timeout(5):
                code, said, log = await first.stop()
        assert (code, log) == (0, "")
        assert said == f"Fullmakt listens on 127.0.0.1 port {first.port}.\n"
        async with serve(database_url, FULLMAKT_SMTP_URL=smtp_url) as second:
            assert (await World(second, office).accounts(token)).keys() == {FIRM}


async def test_two_processes_serve_one_session(database_url: str) -> None:
    with post() as office:
        async with serve(
            database_url, FULLMAKT_SMTP_URL=f"smtp://127.0.0.1:{office.port}", FULLMAKT_WORKERS="2"
        ) as served:
            world = World(served, office)
            token = await world.register("Anna Nowak", ANNA, FIRM)
            for _ in range(20):
                assert (await world.accounts(token)).keys() == {FIRM}
            assert (await served.stop())[0] == 0
