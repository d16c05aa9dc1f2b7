"""Two servers on one database: nothing may rest on what a single process knows."""

import asyncio
from datetime import timedelta

from database import db
from models.access.grant import Grant
from models.base.caller import Caller, OperationConfig
from models.billing.subscription import SubscriptionEntry
from models.scheduled import jobs
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import engaged, engagements
from tests.models.refusals import events
from tests.races.racing import ROUNDS, accept, at_once, invite, outcome, outcomes
from tests.races.test_bureaus import assign, loose, refusals, trio
from tests.races.test_ownership import key_of, owner_of
from tests.races.test_vouchers import issue, redeem


async def test_access_and_days_are_given_once(servers: list[Api]) -> None:
    here, there = servers
    anna, bo = await here.person("anna@example.com"), await there.person("bo@example.com")
    second = (await here.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    await db.execute("UPDATE accounts SET subscription_until = subscription_until + interval '3000 days'")
    for place in range(ROUNDS):
        _, token = await invite(here, anna, bo.email)
        to = {"accountId": second, "payerAccountId": anna.account_id, "days": 10, "idempotencyKey": str(place)}
        back = {"accountId": anna.account_id, "payerAccountId": second, "days": 10}

        accepted = await at_once(accept(here, token, bo), accept(there, token, bo))
        moved = await at_once(
            *(api.do("extendSubscription", given, by=anna) for api in servers for given in (to, back))
        )

        assert outcomes(accepted) == ["TOKEN_INVALID", "done"]
        assert await Grant.filter(status="ACTIVE").exclude(role="OWNER").count() == 1
        assert outcomes(moved) == ["done"] * 4
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    entries = await SubscriptionEntry.filter(kind__in=["TRANSFER_IN", "TRANSFER_OUT"])
    assert len(entries) == ROUNDS * 3 * 2
    assert sum(entry.days for entry in entries) == 0


async def test_an_account_changes_hands_once_and_always_has_one_owner(servers: list[Api]) -> None:
    here, there = servers
    anna = await here.person("anna@example.com")
    bo, _ = await there.guest(anna, "bo@example.com", "ADMINISTRATOR")
    owner, heir = anna, bo
    for _ in range(ROUNDS):
        given = {"accountId": anna.account_id, "userId": heir.user_id, "password": PASSWORD}
        assert codes(await here.do("transferOwnership", given, by=owner)) == []
        account = {"accountId": anna.account_id}

        done = await at_once(
            here.do("acceptOwnership", account, by=heir),
            there.do("acceptOwnership", account, by=heir),
            there.do("resignGrant", {"grantId": await key_of(owner)}, by=owner),
        )

        assert outcomes(done[:2]) == ["INVALID_STATE", "done"]
        assert await owner_of(owner, heir) is heir
        if outcome(done[2]) == "done":
            # He resigned as the administrator that he had just become.
            _, token = await invite(here, Person(heir.email, heir.token, "", anna.account_id), owner.email)
            assert codes(await accept(there, token, owner)) == []
        owner, heir = heir, owner


async def test_one_voucher_redeemed_by_ten_on_two_servers_gives_its_days_once(servers: list[Api]) -> None:
    people = [await servers[0].person(f"p{place}@example.com", accountName=f"Firm {place}") for place in range(10)]
    for place in range(ROUNDS):
        (code,) = await issue(servers[0], str(place))
        await db.execute("UPDATE guesses SET tried = '{}'")

        done = await at_once(*(redeem(servers[n % 2], person, code) for n, person in enumerate(people)))

        assert outcomes(done) == ["VOUCHER_INVALID"] * 9 + ["done"]
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == ROUNDS


async def test_of_many_passwords_on_two_servers_ten_are_looked_at(servers: list[Api]) -> None:
    await servers[0].person("anna@example.com")
    field = 'signIn(input: {email: "anna@example.com", password: "a wrong guess"}) { errors { code } }'
    document = f"mutation {{ {' '.join(f'a{place}: {field}' for place in range(20))} }}"

    answers = await asyncio.gather(*(servers[place % 2].ask(document) for place in range(50)))

    looked_at = [payload for answer in answers for payload in answer.partial.values() if payload is not None]
    assert looked_at == [{"errors": [{"code": "INVALID_CREDENTIALS"}]}] * 10
    assert [code for answer in answers for code in answer.codes] == ["RATE_LIMITED"] * 990


async def test_an_engagement_that_ends_on_another_server_leaves_no_consultant_behind(servers: list[Api]) -> None:
    here, there = servers
    biuro, kari, _, (client,) = await trio(here)
    for _ in range(ROUNDS):
        (found,) = await engagements(here, biuro, "first: 10, filter: { status: [ACTIVE] }")

        assigned, ended = await at_once(
            assign(here, biuro, kari, [client]),
            there.do("endEngagement", {"engagementId": found["id"]}, by=client),
        )

        assert outcome(ended) == outcome(assigned) == "done"
        assert refusals(assigned) <= {"NOT_FOUND"}
        assert await loose() == 0
        await engaged(there, biuro, client)


async def test_who_lost_his_right_on_another_server_lets_nobody_in(servers: list[Api]) -> None:
    """Accepting meets the invitation's revocation and its inviter's demotion, each on the other server."""
    here, there = servers
    anna, bo = await here.person("anna@example.com"), await there.person("bo@example.com")
    kari, grant = await there.guest(anna, "kari@example.com", "ADMINISTRATOR")
    for place in range(ROUNDS):
        invitation, token = await invite(here, kari, bo.email)
        takes = (
            there.do("revokeInvitation", {"invitationId": invitation}, by=anna)
            if place % 2
            else there.do("updateGrant", {"grantId": grant, "role": "COLLABORATOR"}, by=anna)
        )

        accepted, taken = await at_once(accept(here, token, bo), takes)

        got_in = outcome(accepted) == "done"
        assert outcome(taken) == ("INVITATION_NOT_PENDING" if got_in and place % 2 else "done")
        assert got_in or outcome(accepted) in {"ROLE_TOO_HIGH", "TOKEN_INVALID"}
        assert await Grant.filter(status="ACTIVE", role="ACCOUNTANT").count() == int(got_in)
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role = 'ACCOUNTANT'")
        await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")
        assert codes(await here.do("updateGrant", {"grantId": grant, "role": "ADMINISTRATOR"}, by=anna)) == []


async def test_jobs_on_two_servers_and_by_hand_do_each_thing_once(servers: list[Api]) -> None:
    here, there = servers
    anna = await here.person("anna@example.com")
    until = here.clock.now + timedelta(days=8)
    for place in range(ROUNDS // 5):
        await there.guest(anna, f"guest{place}@example.com", "ACCOUNTANT", grantValidUntil=until.isoformat())
    await db.execute("UPDATE grants SET created_at = created_at - interval '30 days'")
    await db.execute("UPDATE accounts SET subscription_until = $1", until)
    site = OperationConfig(KEY)

    for days, kind, amount in ((7, "grant-ending", 2), (0, "grant-expired", 1)):
        now = until - timedelta(days=days)
        await asyncio.gather(*(jobs.run(Caller(now=now, config=site)) for _ in range(4)))
        sql = "SELECT count(*)::int AS mails FROM messages WHERE kind = $1"
        (row,) = await db.fetch(sql, kind, row=db.Row)
        assert row.mails == amount * (ROUNDS // 5)
    (row,) = await db.fetch(sql, "subscription-ending", row=db.Row)
    assert row.mails == 1
    assert len(await events("account:grant:expire")) == ROUNDS // 5
