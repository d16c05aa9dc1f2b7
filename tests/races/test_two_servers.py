"""Races between two servers on one database. No rule may depend on the state of a single process."""

import asyncio
from datetime import timedelta

from database import db
from models.access.grant import Grant
from models.base.caller import Caller, OperationConfig
from models.billing.subscription import SubscriptionEntry
from models.scheduled import jobs
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import engage, list_engagements
from tests.models.refusals import events
from tests.races.rounds import ROUNDS, accept, invite, outcome, outcomes, run_concurrently
from tests.races.test_bureaus import (
    assign_consultant,
    count_invalid_derived_grants,
    outcome_codes,
    register_bureau_with_clients,
)
from tests.races.test_ownership import load_owner, newest_grant_id
from tests.races.test_vouchers import issue, redeem


async def test_invitation_and_transfer_take_effect_once(servers: list[Api]) -> None:
    first_server, second_server = servers
    anna, bo = await first_server.person("anna@example.com"), await second_server.person("bo@example.com")
    second_account_id = (await first_server.do("createAccount", {"name": "Second"}, "account { id }", by=anna))[
        "account"
    ]["id"]
    await db.execute("UPDATE accounts SET subscription_until = subscription_until + interval '3000 days'")
    for index in range(ROUNDS):
        _, token = await invite(first_server, anna, bo.email)
        transfer_input = {
            "accountId": second_account_id,
            "payerAccountId": anna.account_id,
            "days": 10,
            "idempotencyKey": str(index),
        }
        reverse_input = {"accountId": anna.account_id, "payerAccountId": second_account_id, "days": 10}

        accept_payloads = await run_concurrently(accept(first_server, token, bo), accept(second_server, token, bo))
        transfer_payloads = await run_concurrently(
            *(
                api.do("extendSubscription", transfer, by=anna)
                for api in servers
                for transfer in (transfer_input, reverse_input)
            )
        )

        assert outcomes(accept_payloads) == ["ALREADY_MEMBER", "done"]
        assert await Grant.filter(status="ACTIVE").exclude(role="OWNER").count() == 1
        assert outcomes(transfer_payloads) == ["done"] * 4
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    entries = await SubscriptionEntry.filter(kind__in=["TRANSFER_IN", "TRANSFER_OUT"])
    assert len(entries) == ROUNDS * 3 * 2
    assert sum(entry.days for entry in entries) == 0


async def test_ownership_is_transferred_once(servers: list[Api]) -> None:
    first_server, second_server = servers
    anna = await first_server.person("anna@example.com")
    bo, _ = await second_server.guest(anna, "bo@example.com", "ADMINISTRATOR")
    owner, heir = anna, bo
    for _ in range(ROUNDS):
        arguments = {"accountId": anna.account_id, "userId": heir.user_id, "password": PASSWORD}
        assert codes(await first_server.do("transferOwnership", arguments, by=owner)) == []
        accept_input = {"accountId": anna.account_id}

        payloads = await run_concurrently(
            first_server.do("acceptOwnership", accept_input, by=heir),
            second_server.do("acceptOwnership", accept_input, by=heir),
            second_server.do("resignGrant", {"grantId": await newest_grant_id(owner)}, by=owner),
        )

        assert outcomes(payloads[:2]) == ["INVALID_STATE", "done"]
        assert await load_owner(owner, heir) is heir
        if outcome(payloads[2]) == "done":
            # The former owner resigned as an administrator, after the transfer.
            _, token = await invite(first_server, Person(heir.email, heir.token, "", anna.account_id), owner.email)
            assert codes(await accept(second_server, token, owner)) == []
        owner, heir = heir, owner


async def test_voucher_is_redeemed_once(servers: list[Api]) -> None:
    people = [await servers[0].person(f"p{index}@example.com", accountName=f"Firm {index}") for index in range(10)]
    for index in range(ROUNDS):
        (code,) = await issue(servers[0], str(index))
        await db.execute("UPDATE guesses SET tried = '{}'")

        payloads = await run_concurrently(*(redeem(servers[n % 2], person, code) for n, person in enumerate(people)))

        assert outcomes(payloads) == ["VOUCHER_INVALID"] * 9 + ["done"]
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == ROUNDS


async def test_password_attempts_are_limited_across_servers(servers: list[Api]) -> None:
    await servers[0].person("anna@example.com")
    field = 'signIn(input: {email: "anna@example.com", password: "a wrong guess"}) { errors { code } }'
    document = f"mutation {{ {' '.join(f'a{index}: {field}' for index in range(20))} }}"

    answers = await asyncio.gather(*(servers[index % 2].ask(document) for index in range(50)))

    checked_payloads = [payload for answer in answers for payload in answer.partial.values() if payload is not None]
    assert checked_payloads == [{"errors": [{"code": "INVALID_CREDENTIALS"}]}] * 10
    assert [code for answer in answers for code in answer.codes] == ["RATE_LIMITED"] * 990


async def test_end_of_engagement_concurrent_with_assignment_leaves_no_grant(servers: list[Api]) -> None:
    first_server, second_server = servers
    bureau, kari, _, (client,) = await register_bureau_with_clients(first_server)
    for _ in range(ROUNDS):
        (engagement,) = await list_engagements(first_server, bureau, "first: 10, filter: { status: [ACTIVE] }")

        assign_payload, end_payload = await run_concurrently(
            assign_consultant(first_server, bureau, kari, [client]),
            second_server.do("endEngagement", {"engagementId": engagement["id"]}, by=client),
        )

        assert outcome(end_payload) == outcome(assign_payload) == "done"
        assert outcome_codes(assign_payload) <= {"NOT_FOUND"}
        assert await count_invalid_derived_grants() == 0
        await engage(second_server, bureau, client)


async def test_acceptance_after_revocation_or_demotion_of_inviter_is_refused(servers: list[Api]) -> None:
    """The invitation is accepted on one server and revoked, or its inviter demoted, on the other."""
    first_server, second_server = servers
    anna, bo = await first_server.person("anna@example.com"), await second_server.person("bo@example.com")
    kari, grant_id = await second_server.guest(anna, "kari@example.com", "ADMINISTRATOR")
    for index in range(ROUNDS):
        invitation_id, token = await invite(first_server, kari, bo.email)
        concurrent_call = (
            second_server.do("revokeInvitation", {"invitationId": invitation_id}, by=anna)
            if index % 2
            else second_server.do("updateGrant", {"grantId": grant_id, "role": "COLLABORATOR"}, by=anna)
        )

        accept_payload, concurrent_payload = await run_concurrently(accept(first_server, token, bo), concurrent_call)

        is_accepted = outcome(accept_payload) == "done"
        assert outcome(concurrent_payload) == ("INVITATION_NOT_PENDING" if is_accepted and index % 2 else "done")
        assert is_accepted or outcome(accept_payload) in {"ROLE_TOO_HIGH", "TOKEN_INVALID"}
        assert await Grant.filter(status="ACTIVE", role="ACCOUNTANT").count() == int(is_accepted)
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role = 'ACCOUNTANT'")
        await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")
        assert (
            codes(await first_server.do("updateGrant", {"grantId": grant_id, "role": "ADMINISTRATOR"}, by=anna)) == []
        )


async def test_jobs_on_two_servers_and_from_command_line_run_once(servers: list[Api]) -> None:
    first_server, second_server = servers
    anna = await first_server.person("anna@example.com")
    until = first_server.clock.now + timedelta(days=8)
    for index in range(ROUNDS // 5):
        await second_server.guest(anna, f"guest{index}@example.com", "ACCOUNTANT", grantValidUntil=until.isoformat())
    await db.execute("UPDATE grants SET created_at = created_at - interval '30 days'")
    await db.execute("UPDATE accounts SET subscription_until = $1", until)
    config = OperationConfig(KEY)

    for days, kind, mails_per_grant in ((7, "grant-ending", 2), (0, "grant-expired", 1)):
        now = until - timedelta(days=days)
        await asyncio.gather(*(jobs.run(Caller(now=now, config=config)) for _ in range(4)))
        sql = "SELECT count(*)::int AS mails FROM messages WHERE kind = $1"
        (row,) = await db.fetch(sql, kind, row=db.Row)
        assert row.mails == mails_per_grant * (ROUNDS // 5)
    (row,) = await db.fetch(sql, "subscription-ending", row=db.Row)
    assert row.mails == 1
    assert len(await events("account:grant:expire")) == ROUNDS // 5
