"""Limits by the standing of users and accounts, their refusals, and limits that the operator raises."""

import ast
import asyncio
import json
from collections import Counter
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import i18n
from database import db
from models import throttle
from models.accounts import limit_raise
from models.accounts.limit_raise import RAISABLE
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.base.limit_name import LimitName
from models.outbox import mail_limit
from models.throttle import Limit
from resolvers import ids
from tests.api import KEY, Api, Clock, Person, run_application
from tests.conftest import create_application
from tests.models.accounts.test_number_claim import organization_numbers, pay
from tests.models.bureaus.bureau_setup import account_number, add_staff, register_bureau
from tests.models.bureaus.client_accounts import client_input
from tests.models.outbox.test_mail_limit import grow_old, invite
from tests.models.refusals import attempt, events, rejection
from tests.models.throttle_attempts import fill
from tests.workspace.documents import issued_id

NAMED_BY_OPERATION = {"offer", "invitation", "request", "access-request", "engagement"}
"""The kinds of limits that several operations share. The operation gives the name."""
SILENT = {
    "mailed-code:to",
    "code:warning",
    "mail:to",
    "link:used",
    "requested",
    "refused",
    "request:to",
    "request:to:new",
    "notice",
}
"""The kinds of limits beyond which a mail or an event is omitted."""


def operator(api: Api) -> Caller:
    return Caller(now=api.clock.now, config=OperationConfig(KEY))


async def raise_limit(
    api: Api, person: Person, name: LimitName, per_day: int, duration: timedelta = timedelta(days=30)
) -> None:
    """Raise a limit of a person's account, as the operator does."""
    number = await account_number(person)
    await limit_raise.raise_limit(operator(api), number, name, per_day, ends_at=api.clock.now + duration)


async def open_clients(api: Api, bureau: Person, start: int, count: int, by: Person | None = None) -> Counter[str]:
    """Open client accounts with a number and an owner of their own. Counts the names of refusing limits, or "done"."""
    numbers, outcomes = organization_numbers(start + count), Counter[str]()
    for index in range(start, start + count):
        number = {"organizationNumber": numbers[index], "country": "NO"}
        variables = client_input(bureau, ownerEmail=f"client{index}@example.com", **number)
        outcomes[limit_of(await attempt(api, "createClientAccount", variables, by=by or bureau))] += 1
    return outcomes


def limit_of(answer: Any) -> str:
    """The name of the limit that refused, or "done"."""
    return str(answer.errors[0]["extensions"]["limit"]) if answer.errors else "done"


# ---- Standing --------------------------------------------------------------------------------


async def test_established_bureau_opens_client_accounts_within_its_mails(limited_api: Api) -> None:
    api = limited_api
    bureau, new_bureau = await register_bureau(api), await register_bureau(api, "other@example.com")
    await pay(api, bureau)

    assert await open_clients(api, bureau, 0, 25) == {"done": 25}
    assert await open_clients(api, new_bureau, 25, 21) == {"done": 19, "CLIENT_ACCOUNTS": 2}

    await fill(mail_limit.ESTABLISHED.account_offers, 500)
    assert await open_clients(api, bureau, 50, 1) == {"CLIENT_ACCOUNTS": 1}


@pytest.mark.parametrize("kind", ["payment", "age"])
async def test_new_consultant_of_an_established_account_is_established(api: Api, kind: str) -> None:
    bureau = await register_bureau(api)
    staff, _ = await add_staff(api, bureau, "kari@example.com", "ADMINISTRATOR")
    await api.do(
        "inviteUser", {"accountId": bureau.account_id, "email": "p@example.com", "role": "ACCOUNTANT"}, by=staff
    )
    for limit in (mail_limit.NEW.offers, mail_limit.NEW.account_offers):
        await fill(limit, 50)
    assert await invite(api, staff, "p1@example.com", bureau.account_id) == "RATE_LIMITED"

    if kind == "payment":
        await pay(api, bureau)
    else:
        since = api.clock.now - mail_limit.ESTABLISHED_AFTER
        account_id = ids.decode("Account", bureau.account_id)
        await db.execute("UPDATE accounts SET activated_at = $2 WHERE id = $1", account_id, since)

    assert await invite(api, staff, "p1@example.com", bureau.account_id) == "done"
    payload = await api.do("createAccount", {"name": "Own"}, "account { id }", by=staff)
    assert await invite(api, staff, "p2@example.com", payload["account"]["id"]) == "RATE_LIMITED"


@pytest.mark.parametrize("mutation", ["engageBureau", "requestAccess"])
async def test_requests_grow_with_standing(api: Api, mutation: str) -> None:
    bureau = await register_bureau(api)
    variables = request_input(mutation, bureau)
    assert (await attempt(api, mutation, variables, by=bureau)).codes == []
    for limit in (mail_limit.NEW.account_engagements, mail_limit.NEW.access_requests):
        await fill(limit, limit.max_attempts)
    assert (await attempt(api, mutation, variables, by=bureau)).codes == ["RATE_LIMITED"]

    await grow_old(api, bureau)

    assert (await attempt(api, mutation, variables, by=bureau)).codes == []


def request_input(mutation: str, bureau: Person, number: int = 987_654_321) -> dict[str, object]:
    if mutation == "engageBureau":
        return {"bureauAccountId": bureau.account_id, "clientNumber": number}
    return {"role": "ACCOUNTANT", "accountNumber": number, "onBehalfOfAccountId": bureau.account_id}


@pytest.mark.parametrize(("mutation", "name"), [("createAccount", "ACCOUNTS"), ("updateAccount", "REGISTERED_NUMBERS")])
async def test_own_accounts_and_numbers_grow_with_payments_and_not_with_age(
    limited_api: Api, mutation: str, name: str
) -> None:
    api, (first, second) = limited_api, organization_numbers(2)
    anna = await api.person("anna@example.com")

    def variables(number: str) -> dict[str, object]:
        account: dict[str, object] = {"name": "Firm"} if mutation == "createAccount" else {"accountId": anna.account_id}
        return account | {"organizationNumber": number, "country": "NO"}

    assert (await attempt(api, mutation, variables(first), by=anna)).codes == []
    for kind in ("accounts-opened", "number:claim"):
        await fill(Limit(kind, 0, timedelta()), 20)
    await grow_old(api, anna)
    assert limit_of(await attempt(api, mutation, variables(second), by=anna)) == name

    await pay(api, anna)

    assert limit_of(await attempt(api, mutation, variables(second), by=anna)) == "done"


# ---- Refusals --------------------------------------------------------------------------------


async def test_refusal_says_which_limit_and_when(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna, "p1@example.com")
    await fill(mail_limit.NEW.account_offers, 50)
    api.clock.forward(hours=5)
    variables = {"accountId": anna.account_id, "email": "p2@example.com", "role": "ACCOUNTANT"}
    document = "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }"
    texts = dict[str, str]()
    retry_at = api.clock.now + timedelta(hours=19)

    for locale in i18n.LOCALES:
        await db.execute("UPDATE users SET locale = $1", locale)
        answer = await api.ask(document, {"input": variables}, by=anna)
        (error,) = answer.errors
        assert error["extensions"]["limit"] == "INVITATIONS"
        assert datetime.fromisoformat(error["extensions"]["retryAt"]) == retry_at
        assert error["extensions"]["retryAfterSeconds"] == 19 * 3600
        minute = retry_at + timedelta(seconds=59)
        assert i18n.format_instant(locale, minute) in error["message"]
        texts[locale] = error["message"].replace(i18n.format_instant(locale, minute), "")

    assert [locale for locale, text in texts.items() if text == texts[i18n.DEFAULT]] == [i18n.DEFAULT]


def test_each_limit_has_a_name() -> None:
    """Also limits that are made where they are used."""
    module_limits = [value for module in (throttle, mail_limit) for value in vars(module).values()]
    allowances = (mail_limit.NEW, mail_limit.ESTABLISHED)
    allowance_limits = [getattr(allowance, field.name) for allowance in allowances for field in fields(allowance)]
    limits = {limit for limit in [*module_limits, *allowance_limits] if isinstance(limit, Limit)}

    unnamed_kinds = {limit.kind for limit in limits if limit.name is LimitName.ATTEMPTS}

    assert unnamed_kinds == NAMED_BY_OPERATION | SILENT
    for path in Path("models").glob("**/*.py"):
        if path.stem not in {"throttle", "mail_limit"}:
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            limit_calls = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Limit"]
            assert all(len(call.args) > 3 for call in limit_calls), path


async def test_refusals_by_shared_limits_tell_nothing_about_others(api: Api) -> None:
    """Neither which of them refused, nor when the mail of another user was sent."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await invite(api, bo, "stranger@example.com")
    await fill(mail_limit.NEW.address_offers, 10)
    refusals = list[dict[str, Any]]()
    for hours in (0, 3):
        api.clock.forward(hours=hours)
        variables = {"accountId": anna.account_id, "email": "stranger@example.com", "role": "ACCOUNTANT"}
        (error,) = (await rejection(api, "inviteUser", variables, by=anna)).errors
        assert datetime.fromisoformat(error["extensions"].pop("retryAt")) == api.clock.now + timedelta(days=1)
        refusals.append({**error["extensions"], "requestId": ""})

    assert refusals[0] == refusals[1]
    assert refusals[0]["limit"] == "MAILS"


# ---- Raises ----------------------------------------------------------------------------------


async def test_raise_holds_at_once_for_one_account_and_until_its_end(limited_api: Api) -> None:
    api = limited_api
    bureau, new_bureau = await register_bureau(api), await register_bureau(api, "other@example.com")
    assert await open_clients(api, bureau, 0, 20) == {"done": 19, "CLIENT_ACCOUNTS": 1}

    await raise_limit(api, bureau, LimitName.CLIENT_ACCOUNTS, 70, timedelta(hours=5))

    assert await open_clients(api, bureau, 30, 72) == {"done": 70, "CLIENT_ACCOUNTS": 2}
    assert await open_clients(api, new_bureau, 110, 20) == {"done": 19, "CLIENT_ACCOUNTS": 1}
    assert await invite(api, bureau, "colleague@example.com") == "done"
    await limit_raise.lower(operator(api), await account_number(bureau), LimitName.CLIENT_ACCOUNTS)
    assert await open_clients(api, bureau, 140, 1) == {"CLIENT_ACCOUNTS": 1}
    await raise_limit(api, bureau, LimitName.CLIENT_ACCOUNTS, 71, timedelta(hours=5))
    assert await open_clients(api, bureau, 140, 2) == {"done": 1, "CLIENT_ACCOUNTS": 1}
    await raise_limit(api, bureau, LimitName.CLIENT_ACCOUNTS, 1000, timedelta(hours=5))
    api.clock.forward(hours=5)
    assert await open_clients(api, await api.sign_in(bureau), 150, 1) == {"CLIENT_ACCOUNTS": 1}


@pytest.mark.parametrize("name", RAISABLE)
async def test_each_refusal_with_a_raisable_name_is_solved_by_its_raise(api: Api, name: LimitName) -> None:
    bureau = await register_bureau(api)
    document = await issued_id(api, bureau) if name is LimitName.SENT_DOCUMENTS else ""

    async def act(index: int) -> str:
        if name is LimitName.SENT_DOCUMENTS:
            variables = {"documentId": document, "email": f"p{index}@example.com"}
            return limit_of(await attempt(api, "sendDocument", variables, by=bureau))
        if name is LimitName.CLIENT_ACCOUNTS:
            (outcome,) = await open_clients(api, bureau, index, 1)
            return outcome
        if name is LimitName.INVITATIONS:
            mutation, variables = "inviteUser", {"accountId": bureau.account_id, "role": "ACCOUNTANT"}
            variables["email"] = f"p{index}@example.com"
            return limit_of(await attempt(api, mutation, variables, by=bureau))
        mutation = "engageBureau" if name is LimitName.ENGAGEMENTS else "requestAccess"
        return limit_of(await attempt(api, mutation, request_input(mutation, bureau, 20_000_000 + index), by=bureau))

    assert await act(0) == "done"
    for field in fields(mail_limit.NEW):
        limit: Limit = getattr(mail_limit.NEW, field.name)
        if field.name not in {"notices", "address_offers", "address_requests"}:
            await fill(limit, limit.max_attempts)
    assert await act(1) == name

    await raise_limit(api, bureau, name, 60)
    assert await act(2) == "done"
    await fill(Limit(f"raised:{name}", 0, timedelta()), 58)

    assert [await act(index) for index in (3, 4, 5)] == ["done", "done", name]
    await raise_limit(api, bureau, name, 10)
    assert await act(6) == name
    await fill(Limit(f"raised:{name}", 0, timedelta()), 49)
    assert await act(7) == "done"  # a raise never lowers


async def test_concurrent_attempts_stay_within_the_raised_limit(api: Api) -> None:
    bureau = await register_bureau(api)
    colleagues = [await add_staff(api, bureau, f"c{index}@example.com", "ADMINISTRATOR") for index in range(4)]
    await raise_limit(api, bureau, LimitName.ACCESS_REQUESTS, 60)
    assert (await attempt(api, "requestAccess", request_input("requestAccess", bureau), by=bureau)).codes == []
    await fill(Limit("raised:ACCESS_REQUESTS", 0, timedelta()), 55)

    answers = await asyncio.gather(
        *(
            attempt(api, "requestAccess", request_input("requestAccess", bureau, 20_000_000 + index), by=person)
            for person, _ in colleagues
            for index in range(3)
        )
    )

    assert Counter(map(limit_of, answers)) == {"done": 5, "ACCESS_REQUESTS": 7}


async def test_raised_account_leaves_the_mails_of_the_installation_to_others(database_url: str, clock: Clock) -> None:
    application = create_application(database_url, clock, mails_per_hour=12, free_seats=100)
    async with run_application(application) as http:
        api = Api(http, clock, application)
        bureau, anna = await register_bureau(api), await api.person("anna@example.com")
        await raise_limit(api, bureau, LimitName.INVITATIONS, 10_000)

        outcomes = [limit_of(await attempt_invitation(api, bureau, index)) for index in range(5)]

        assert outcomes == ["done"] * 3 + ["MAILS_OF_ACCOUNT"] * 2
        assert await invite(api, anna, "friend@example.com") == "done"
        clock.forward(hours=1)
        assert limit_of(await attempt_invitation(api, bureau, 9)) == "done"


async def attempt_invitation(api: Api, by: Person, index: int) -> Any:
    variables = {"accountId": by.account_id, "email": f"p{index}@example.com", "role": "ACCOUNTANT"}
    return await attempt(api, "inviteUser", variables, by=by)


async def test_raised_account_mails_one_address_no_more_often(api: Api) -> None:
    bureau = await register_bureau(api)
    await raise_limit(api, bureau, LimitName.INVITATIONS, 10_000)
    assert await invite(api, bureau, "stranger@example.com") == "done"
    await fill(mail_limit.PAIR, 5)
    assert limit_of(await attempt_again(api, bureau)) == "MAILS_TO_ADDRESS"

    await fill(mail_limit.PAIR, 1)
    await fill(mail_limit.ESTABLISHED.address_offers, 20)

    assert limit_of(await attempt_again(api, bureau)) == "MAILS"


async def attempt_again(api: Api, by: Person) -> Any:
    """Mail the newest invitation again."""
    (row,) = await db.fetch("SELECT id FROM invitations ORDER BY id DESC LIMIT 1", row=db.Row)
    return await attempt(api, "resendInvitation", {"invitationId": ids.encode("Invitation", row.id)}, by=by)


async def test_raises_are_events_of_the_account(api: Api) -> None:
    bureau = await register_bureau(api)
    end = api.clock.now + timedelta(days=30)
    number = await account_number(bureau)

    await raise_limit(api, bureau, LimitName.ENGAGEMENTS, 100)
    await raise_limit(api, bureau, LimitName.ENGAGEMENTS, 200)
    assert [row.per_day for row in await limit_raise.list_raises(api.clock.now)] == [200]
    await limit_raise.lower(operator(api), number, LimitName.ENGAGEMENTS)

    facts = [{"limit": "ENGAGEMENTS", "per_day": count, "ends_at": end.isoformat()} for count in (100, 200)]
    raises = await events("operator:limit:raise") + await events("operator:limit:lower")
    assert [row.per_day for row in await limit_raise.list_raises(api.clock.now)] == []
    assert [(json.loads(row["before"]), json.loads(row["after"])) for row in raises] == [
        ({}, facts[0]),
        (facts[0], facts[1]),
        (facts[1], {}),
    ]


async def test_invalid_raises_are_refused(api: Api) -> None:
    bureau = await register_bureau(api)
    number, end = await account_number(bureau), api.clock.now + timedelta(days=1)
    cases: list[tuple[int, LimitName, int, datetime, str]] = [
        (99, LimitName.INVITATIONS, 5, end, "NOT_FOUND"),
        (number, LimitName.ACCOUNTS, 5, end, "INVALID"),
        (number, LimitName.INVITATIONS, 0, end, "OUT_OF_RANGE"),
        (number, LimitName.INVITATIONS, 10_001, end, "OUT_OF_RANGE"),
        (number, LimitName.INVITATIONS, 5, api.clock.now, "OUT_OF_RANGE"),
    ]

    for account, name, per_day, ends_at, code in cases:
        with pytest.raises(Refusal) as refusal:
            await limit_raise.raise_limit(operator(api), account, name, per_day, ends_at=ends_at)
        assert refusal.value.problems[0].code == code
    with pytest.raises(Refusal):
        await limit_raise.lower(operator(api), number, LimitName.INVITATIONS)

    assert await limit_raise.list_raises(api.clock.now) == []
