"""What happens because time passes: stored once, told once, whoever runs the jobs how often."""

from datetime import datetime, timedelta
from typing import Any

from database import db
from models.access.grant import Grant
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from models.sharing.ownership import OwnershipTransfer
from tests.api import KEY, PASSWORD, Api, Person, codes, counts
from tests.models.bureaus.bureau_setup import bureau
from tests.models.refusals import events, mails, refused

GUEST = "bo@example.com"
SWEPT = "old rows deleted"


async def run(api: Api) -> dict[str, int]:
    """Run every job twice; what the first run did, the second must not do again."""
    done = await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))
    assert set((await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))).values()) == {0}
    return {name: amount for name, amount in done.items() if amount and name != SWEPT}


async def swept(api: Api) -> int:
    """How many old rows are deleted now."""
    return (await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY))))[SWEPT]


async def told(kind: str, *people: str) -> list[int]:
    return [len(await mails(email, kind)) for email in people]


# ---- Grants that end -------------------------------------------------------------------------


async def guest_until(api: Api, anna: Person, **later: float) -> tuple[Person, str, datetime]:
    until = api.clock.now + timedelta(**later)
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT", grantValidUntil=until.isoformat())
    return bo, key, until


async def test_a_grant_that_ended_is_stored_recorded_and_told_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _, until = await guest_until(api, anna, days=2)
    seen = "query ($id: ID!) { account(id: $id) { name } }"
    api.clock.now = until - timedelta(seconds=1)
    assert await run(api) == {}
    assert (await api.ask(seen, {"id": anna.account_id}, by=bo)).data["account"] is not None

    api.clock.now = until

    # Refused before any job has run.
    assert (await api.ask(seen, {"id": anna.account_id}, by=bo)).data["account"] is None
    assert await run(api) == {"grants expired": 1}
    (grant,) = await Grant.filter(role="ACCOUNTANT")
    assert (grant.status, grant.ended_at) == ("EXPIRED", until)
    (event,) = await events("account:grant:expire")
    assert (event.actor_id, event.occurred_at) == (None, until)
    assert await told("grant-expired", GUEST, anna.email) == [1, 0]


async def test_whoever_needs_the_place_first_stores_the_end_just_the_same(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await guest_until(api, anna, days=2)
    api.clock.forward(days=2)

    given = {"accountId": anna.account_id, "email": GUEST, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", given, by=anna)) == []

    assert await run(api) == {}
    (event,) = await events("account:grant:expire")
    assert event.actor_id is None
    assert await told("grant-expired", GUEST) == [1]


async def test_a_week_before_its_end_a_grant_is_announced_to_holder_and_owner(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key, until = await guest_until(api, anna, days=15)
    api.clock.now = until - timedelta(days=7, seconds=1)
    assert await run(api) == {}

    api.clock.now = until - timedelta(days=7)

    assert await run(api) == {"grants announced to end": 1}
    assert await told("grant-ending", GUEST, anna.email) == [1, 1]
    api.clock.forward(days=1)
    earlier = (until - timedelta(days=1)).isoformat()
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": earlier}, by=anna)) == []
    assert await run(api) == {}
    later = until + timedelta(days=20)
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": later.isoformat()}, by=anna)) == []
    assert await run(api) == {}
    api.clock.now = later - timedelta(days=7)
    assert (await run(api))["grants announced to end"] == 1
    assert await told("grant-ending", GUEST, anna.email) == [2, 2]


async def test_access_for_less_than_a_week_is_not_announced_to_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await guest_until(api, anna, days=5)

    assert await run(api) == {}


async def test_revoked_access_is_neither_announced_nor_expired(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key, until = await guest_until(api, anna, days=20)
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []

    api.clock.now = until - timedelta(days=1)
    assert await run(api) == {}
    api.clock.now = until
    assert await run(api) == {}


# ---- Subscriptions that end ------------------------------------------------------------------


async def ends_at(until: datetime) -> None:
    """Let the accounts end then, as if it had been so for a year. No entry of a ledger: those stay as they are."""
    await db.execute("UPDATE accounts SET subscription_until = $1", until)


async def test_the_end_of_a_subscription_is_announced_three_times(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=60)
    await ends_at(until)
    for place, days in enumerate((30, 7, 1)):
        api.clock.now = until - timedelta(days=days, seconds=1)
        assert await run(api) == {}
        api.clock.now = until - timedelta(days=days)
        assert await run(api) == {"subscriptions announced to end": 1}
        assert await told("subscription-ending", anna.email) == [place + 1]
    api.clock.now = until

    assert await run(api) == {}


async def test_after_a_week_without_a_server_only_the_nearest_is_announced(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=60)
    await ends_at(until)

    api.clock.now = until - timedelta(hours=5)

    assert await run(api) == {"subscriptions announced to end": 1}
    assert await told("subscription-ending", anna.email) == [1]


async def test_an_extension_makes_the_announcements_due_anew(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=60)
    await ends_at(until)
    for days in (30, 7):
        api.clock.now = until - timedelta(days=days)
        assert len(await run(api)) == 1

    await ends_at(until + timedelta(days=60))

    for place, days in enumerate((30, 7, 1)):
        api.clock.now = until + timedelta(days=60 - days)
        assert await run(api) == {"subscriptions announced to end": 1}
        assert await told("subscription-ending", anna.email) == [place + 3]


async def test_what_was_known_when_the_end_was_set_is_not_announced(api: Api) -> None:
    """A trial of 30 days does not begin with a reminder, nor does an extension by ten."""
    anna = await api.person("anna@example.com")
    assert await run(api) == {}

    api.clock.forward(days=23)

    assert await run(api) == {"subscriptions announced to end": 1}
    assert await told("subscription-ending", anna.email) == [1]


async def test_a_registration_that_waits_gets_no_mail_and_a_closed_account_neither(api: Api) -> None:
    given = {"name": "Nils Ny", "email": "nils@example.com", "password": PASSWORD}
    assert codes(await api.do("register", given)) == []
    api.clock.forward(days=29)
    await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))
    assert await told("subscription-ending", "nils@example.com") == [0]
    anna = await api.person("anna@example.com")
    await db.execute("UPDATE accounts SET closed_at = $1", api.clock.now)
    api.clock.forward(days=29)

    assert "subscriptions announced to end" not in await run(api)
    assert await told("subscription-ending", anna.email) == [0]


async def test_the_bureau_that_opened_an_account_is_told_while_it_works_for_it(api: Api) -> None:
    biuro = await bureau(api)
    given = {"bureauAccountId": biuro.account_id, "name": "Client AS"}
    given |= {"ownerName": "Cy Client", "ownerEmail": "cy@example.com"}
    assert codes(await api.do("createClientAccount", given, by=biuro)) == []
    until = api.clock.now + timedelta(days=60)
    await ends_at(until)

    api.clock.now = until - timedelta(days=30)

    # Of the bureau's own account, and of its client's, who has not come yet and is not written to.
    assert await run(api) == {"subscriptions announced to end": 2}
    assert await told("subscription-ending", biuro.email, "cy@example.com") == [2, 0]
    await db.execute("UPDATE engagements SET status = 'ENDED', ended_at = created_at")
    api.clock.now = until - timedelta(days=7)
    await run(api)
    assert await told("subscription-ending", biuro.email, "cy@example.com") == [3, 0]


async def test_who_has_not_come_yet_is_not_told_of_others_grants(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, _, until = await guest_until(api, anna, days=15)
    await db.execute("UPDATE users SET activated_at = NULL WHERE email = $1", anna.email)

    api.clock.now = until - timedelta(days=7)

    assert await run(api) == {"grants announced to end": 1}
    assert await told("grant-ending", GUEST, anna.email) == [1, 0]


# ---- Offers of ownership ---------------------------------------------------------------------


async def test_an_offer_of_ownership_expires_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "ACCOUNTANT")
    given = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", given, by=anna)) == []
    api.clock.forward(days=7)

    assert await run(api) == {"offers of ownership expired": 1}

    assert [row.status for row in await OwnershipTransfer.all()] == ["EXPIRED"]
    assert await told("ownership-expired", GUEST, anna.email) == [1, 1]
    assert len(await events("account:ownership:expire")) == 1


# ---- Abandoned registrations -----------------------------------------------------------------

NIP = {"country": "PL", "organizationNumber": "5260250274"}


def registration(email: str) -> dict[str, Any]:
    return {"name": "Nils Ny", "email": email, "password": PASSWORD, **NIP}


async def test_an_abandoned_registration_gives_its_number_free(api: Api) -> None:
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    api.clock.forward(hours=23, minutes=59)
    assert await run(api) == {}
    taken = [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
    assert await refused(api, "register", registration("eva@example.com")) == taken

    api.clock.forward(minutes=1)

    assert await run(api) == {"abandoned numbers given free": 1}
    (event,) = [row for row in await events("account:account:update") if row.actor_id is None]
    assert event.before is not None
    assert codes(await api.do("register", registration("eva@example.com"))) == []
    assert await refused(api, "register", registration("nils@example.com")) == taken


async def test_a_fresh_link_keeps_the_number(api: Api) -> None:
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    api.clock.forward(hours=20)
    assert codes(await api.do("resendActivation", {"email": "nils@example.com"})) == []
    api.clock.forward(hours=20)

    assert await run(api) == {}


async def test_who_comes_back_with_a_new_link_can_still_activate(api: Api) -> None:
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    api.clock.forward(days=2)
    assert await run(api) == {"abandoned numbers given free": 1}
    assert codes(await api.do("resendActivation", {"email": "nils@example.com"})) == []

    token = await api.link("nils@example.com", "activation")
    shown = "viewer { currentAccount { organizationNumber country status } }"
    done = await api.do("activate", {"token": token}, shown)

    found = {"organizationNumber": None, "country": "PL", "status": "ACTIVE"}
    assert done["viewer"]["currentAccount"] == found


async def test_active_accounts_and_those_that_a_bureau_opened_keep_their_numbers(api: Api) -> None:
    await api.person("anna@example.com", **NIP)
    other = {**registration("nils@example.com"), "organizationNumber": "1132853869"}
    assert codes(await api.do("register", other)) == []
    await db.execute("UPDATE accounts SET created_by_bureau_id = id WHERE activated_at IS NULL")
    api.clock.forward(days=2)

    assert await run(api) == {}


async def test_a_registration_answers_alike_before_and_after(api: Api) -> None:
    """Whether an address is taken must not show in what becomes of the number."""
    anna = await api.person("anna@example.com")
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    for email in (anna.email, "new@example.com"):
        assert len(codes(await api.do("register", registration(email)))) == 1
    api.clock.forward(days=2)
    await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))

    for email in (anna.email, "new@example.com"):
        assert codes(await api.do("register", registration(email))) == []


# ---- Old rows --------------------------------------------------------------------------------


async def test_what_nobody_needs_any_more_is_deleted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    given = {"accountId": second, "payerAccountId": anna.account_id, "days": 10, "idempotencyKey": "one"}
    assert codes(await api.do("extendSubscription", given, by=anna)) == []
    assert codes(await api.do("signOut", None, by=anna)) == []
    for other in ("guesses", "grant_changes"):  # rows of a day or less, shown where they belong
        await db.execute(f"DELETE FROM {other}")
    before = await counts()

    found: dict[int, int] = {}
    start = api.clock.now
    for days in (2, 3, 30, 31, 32):
        api.clock.now = start + timedelta(days=days)
        found[days] = await swept(api)

    # The key after two days, the session after thirty, the link after thirty and its own one.
    assert found == {2: 0, 3: 1, 30: 0, 31: 1, 32: 1}
    after = await counts()
    assert (after["sessions"], after["user_tokens"], after["idempotency_keys"]) == (0, 0, 0)
    kept = ("users", "accounts", "grants", "subscription_entries", "events")
    assert [after[table] for table in kept] == [before[table] for table in kept]


async def test_a_mail_is_forgotten_after_its_time_unless_it_still_waits(api: Api) -> None:
    await api.person("anna@example.com")
    await api.person("eva@example.com")
    await db.execute("UPDATE messages SET status = 'FAILED' WHERE to_address = 'anna@example.com'")
    # A long way ahead, for the worker: it must not send what waits here.
    await db.execute(
        "UPDATE messages SET status = 'QUEUED', next_attempt_at = '9999-01-01' WHERE to_address = 'eva@example.com'"
    )
    api.clock.forward(days=401)

    assert await swept(api) >= 1

    left = await db.fetch("SELECT DISTINCT to_address FROM messages WHERE kind = 'activation'", row=db.Row)
    assert [row.to_address for row in left] == ["eva@example.com"]
