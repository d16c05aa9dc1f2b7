"""Claims of registered numbers: bounds of accounts and numbers, and numbers that yield to accounts with payments."""

from collections import Counter
from typing import Any

import pytest

from auth.policy import Permission
from database import db
from models.accounts import number_claim
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.billing import subscription
from models.scheduled import jobs
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import register_bureau
from tests.models.bureaus.client_accounts import client_input, open_client_account
from tests.models.refusals import attempt, events, mails, refusal_codes

JOB = "claimed numbers decided"
ORGANIZATION = {"country": "NO", "organizationNumber": "974760673"}
BANK = {"bankAccountNumber": "NO9386011117947"}
ORGANIZATION_TAKEN = [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
BANK_TAKEN = [("BANK_ACCOUNT_TAKEN", ["bankAccountNumber"])]
KINDS = pytest.mark.parametrize("kind", ["organization", "bank"])
TAKEN = {"organization": ORGANIZATION_TAKEN, "bank": BANK_TAKEN}


def operator(api: Api) -> Caller:
    return Caller(now=api.clock.now, config=OperationConfig(KEY))


async def run_job(api: Api) -> int:
    return (await jobs.run(operator(api)))[JOB]


async def pay(api: Api, person: Person, days: int = 400) -> None:
    """Credit days, as the operator does for an account that paid."""
    row = await Account.get(id=ids.decode("Account", person.account_id))
    reference = f"{row.number} {api.clock.now}"
    await subscription.credit(operator(api), row.number, days, reference=reference)


async def set_number(api: Api, by: Person, kind: str) -> dict[str, Any]:
    """Set the number of a kind in the person's account."""
    if kind == "organization":
        return await api.do("updateAccount", {"accountId": by.account_id, **ORGANIZATION}, by=by)
    return await api.do("updateAccountSettings", {"accountId": by.account_id, **BANK}, by=by)


async def load_number(person: Person, kind: str) -> str | None:
    row = await Account.get(id=ids.decode("Account", person.account_id))
    return row.organization_number if kind == "organization" else row.bank_account_number


async def squatter_and_company(api: Api, kind: str) -> tuple[Person, Person]:
    """A user without payments whose account has a number, and a user with payments whose account claims it."""
    squatter = await api.person("squatter@example.com", accountName="Squat")
    company = await api.person("company@example.com", accountName="Company")
    assert codes(await set_number(api, squatter, kind)) == []
    await pay(api, company)
    assert codes(await set_number(api, company, kind)) == TAKEN[kind]
    return squatter, company


# ---- Bounds ----------------------------------------------------------------------------------


def organization_numbers(count: int) -> list[str]:
    """Valid organization numbers of Norway."""
    weights, numbers = (3, 2, 7, 6, 5, 4, 3, 2), list[str]()
    for value in range(91000000, 91000000 + count * 2):
        digit = -sum(int(d) * w for d, w in zip(str(value), weights, strict=True)) % 11
        if digit < 10:
            numbers.append(f"{value}{digit}")
    return numbers[:count]


async def outcomes(api: Api, mutation: str, arguments: list[dict[str, object]], by: Person) -> Counter[str]:
    counts = Counter[str]()
    for variables in arguments:
        answer = await attempt(api, mutation, variables, by=by)
        counts[(answer.codes or ["done"])[0]] += 1
    return counts


async def test_one_user_cannot_claim_hundreds_of_numbers(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    arguments: list[dict[str, object]] = [
        {"name": f"Squat {number}", "country": "NO", "organizationNumber": number}
        for number in organization_numbers(60)
    ]

    counts = await outcomes(limited_api, "createAccount", arguments, anna)

    assert counts == {"done": 19, "RATE_LIMITED": 41}  # the account of the registration counts too
    assert await Account.filter(organization_number__not_isnull=True).count() == 19
    limited_api.clock.forward(days=1)
    anna = await limited_api.sign_in(anna)
    assert await outcomes(limited_api, "createAccount", arguments[40:41], anna) == {"done": 1}


async def test_accounts_by_invitation_and_for_clients_count_too(limited_api: Api) -> None:
    bureau = await register_bureau(limited_api)
    arguments: list[dict[str, object]] = [
        client_input(bureau, ownerEmail=f"client{number}@example.com") for number in range(10)
    ]
    opened = await outcomes(limited_api, "createClientAccount", arguments, bureau)
    opened += await outcomes(limited_api, "createAccount", [{"name": "Firm"}] * 30, bureau)
    host = await limited_api.person("host@example.com")
    await limited_api.do(
        "inviteUser", {"accountId": host.account_id, "email": bureau.email, "role": "ACCOUNTANT"}, by=host
    )

    token = await limited_api.link(bureau.email, "invitation")
    answer = await attempt(limited_api, "acceptInvitation", {"token": token, "ownAccountName": "Own"}, by=bureau)

    assert opened["done"] == 19
    assert answer.codes == ["RATE_LIMITED"]


async def test_changes_of_a_number_count(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    numbers = organization_numbers(2)
    arguments: list[dict[str, object]] = [
        {"accountId": anna.account_id, "country": "NO", "organizationNumber": numbers[index % 2]} for index in range(40)
    ]

    # After the last allowed change, each second update changes nothing.
    assert await outcomes(limited_api, "updateAccount", arguments, anna) == {"done": 30, "RATE_LIMITED": 10}
    assert len(await events("account:account:update")) == 20


async def test_settings_without_a_new_number_do_not_count(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com", **ORGANIZATION)
    arguments: list[dict[str, object]] = [
        {"accountId": anna.account_id, "name": f"Firm {index}", **ORGANIZATION} for index in range(30)
    ]

    assert await outcomes(limited_api, "updateAccount", arguments, anna) == {"done": 30}


async def test_number_of_pending_registration_yields_at_once(api: Api) -> None:
    register_input = {"name": "Nils", "email": "nils@example.com", "password": PASSWORD, **ORGANIZATION}
    assert codes(await api.do("register", register_input)) == []
    anna = await api.person("anna@example.com")

    assert codes(await set_number(api, anna, "organization")) == []

    token = await api.link("nils@example.com", "activation")
    selection = "viewer { currentAccount { organizationNumber status } }"
    payload = await api.do("activate", {"token": token, "password": PASSWORD}, selection)
    assert payload["viewer"]["currentAccount"] == {"organizationNumber": None, "status": "ACTIVE"}
    sql = "SELECT origin, request_id FROM events WHERE type = 'account:account:update' AND actor_id IS NULL"
    (event,) = await db.fetch(sql, row=db.Row)
    assert (event.origin, event.request_id) == (None, None)


# ---- A claim ---------------------------------------------------------------------------------


@KINDS
async def test_number_moves_after_the_term_without_objection(api: Api, kind: str) -> None:
    squatter, company = await squatter_and_company(api, kind)
    (mail,) = await mails(squatter.email, "number-claimed")
    assert mail.account_id == ids.decode("Account", squatter.account_id)
    api.clock.forward(days=7, seconds=-1)
    assert await run_job(api) == 0
    assert await load_number(squatter, kind) is not None

    api.clock.forward(seconds=1)

    assert await run_job(api) == 1
    assert await load_number(squatter, kind) is None
    assert await load_number(company, kind) is not None
    assert len(await mails(squatter.email, "number-lost")) == len(await mails(company.email, "number-gained")) == 1
    assert [len(await events(f"account:number:{name}")) for name in ("claim", "contest", "reject")] == [1, 1, 0]
    assert await run_job(api) == 0


@KINDS
async def test_number_moves_when_the_claiming_account_uses_it(api: Api, kind: str) -> None:
    squatter, company = await squatter_and_company(api, kind)
    api.clock.forward(days=8)
    company = await api.sign_in(company)

    assert codes(await set_number(api, company, kind)) == []
    assert await load_number(squatter, kind) is None


@KINDS
async def test_payment_of_the_holder_rejects_the_claim(api: Api, kind: str) -> None:
    squatter, company = await squatter_and_company(api, kind)
    api.clock.forward(days=6)
    await pay(api, squatter, 10)
    api.clock.forward(days=1)

    assert await run_job(api) == 1

    assert await load_number(squatter, kind) is not None
    assert await load_number(company, kind) is None
    assert len(await mails(company.email, "number-kept")) == 1
    assert await mails(squatter.email, "number-lost") == []
    company = await api.sign_in(company)
    assert codes(await set_number(api, company, kind)) == TAKEN[kind]
    assert await db.fetch("SELECT * FROM number_claims", row=db.Row) == []


async def test_payment_after_the_term_does_not_count(api: Api) -> None:
    squatter, company = await squatter_and_company(api, "organization")
    api.clock.forward(days=7, seconds=1)
    await pay(api, squatter, 10)

    assert await run_job(api) == 1
    assert await load_number(company, "organization") is not None


async def test_refusal_tells_when_the_number_moves(api: Api) -> None:
    _, company = await squatter_and_company(api, "organization")
    moves_at = f"{api.clock.now + number_claim.TERM:%Y-%m-%d}"
    api.clock.forward(hours=1)

    payload = await set_number(api, company, "organization")

    assert moves_at in payload["errors"][0]["message"]
    assert len(await events("account:number:claim")) == 1


async def test_account_without_payments_claims_nothing(api: Api) -> None:
    squatter = await api.person("squatter@example.com", **ORGANIZATION)
    eve = await api.person("eve@example.com", accountName="Eve")

    arguments = {"accountId": eve.account_id, **ORGANIZATION}
    assert await refusal_codes(api, "updateAccount", arguments, by=eve) == ORGANIZATION_TAKEN

    assert await mails(squatter.email, "number-claimed") == []


async def test_days_that_were_passed_on_are_no_payment(api: Api) -> None:
    await api.person("squatter@example.com", **ORGANIZATION)
    eve = await api.person("eve@example.com", accountName="Eve")
    second = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=eve))["account"]["id"]
    third = (await api.do("createAccount", {"name": "Third"}, "account { id }", by=eve))["account"]["id"]
    await pay(api, eve, 10)
    for payer, receiver in ((eve.account_id, second), (second, third)):
        arguments = {"accountId": receiver, "payerAccountId": payer, "days": 10}
        assert codes(await api.do("extendSubscription", arguments, by=eve)) == []

    update_input = {"accountId": second, **ORGANIZATION}
    assert await refusal_codes(api, "updateAccount", update_input, by=eve) == ORGANIZATION_TAKEN


async def test_number_of_account_with_payments_is_not_claimed(api: Api) -> None:
    holder = await api.person("holder@example.com", **ORGANIZATION)
    await pay(api, holder, 10)
    eve = await api.person("eve@example.com")
    await pay(api, eve)

    update_input = {"accountId": eve.account_id, **ORGANIZATION}
    assert await refusal_codes(api, "updateAccount", update_input, by=eve) == ORGANIZATION_TAKEN


async def test_claim_needs_a_claiming_account_with_payments_at_its_end(api: Api) -> None:
    squatter = await api.person("squatter@example.com", **ORGANIZATION)
    eve = await api.person("eve@example.com")
    second = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=eve))["account"]["id"]
    await pay(api, eve, 10)
    there = {"accountId": second, "payerAccountId": eve.account_id, "days": 10}
    assert codes(await api.do("extendSubscription", there, by=eve)) == []
    assert codes(await api.do("updateAccount", {"accountId": second, **ORGANIZATION}, by=eve)) == ORGANIZATION_TAKEN
    assert len(await events("account:number:claim")) == 1
    back = {"accountId": eve.account_id, "payerAccountId": second, "days": 10}
    assert codes(await api.do("extendSubscription", back, by=eve)) == []
    api.clock.forward(days=7)

    assert await run_job(api) == 1

    assert await load_number(squatter, "organization") is not None
    assert len(await events("account:number:reject")) == 1


async def test_closed_account_gets_no_number(api: Api) -> None:
    squatter, company = await squatter_and_company(api, "organization")
    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=company)) == []
    api.clock.forward(days=7)

    assert await run_job(api) == 0

    assert await load_number(squatter, "organization") is not None
    assert await db.fetch("SELECT * FROM number_claims", row=db.Row) == []


async def test_number_has_one_claim_at_a_time(api: Api) -> None:
    await squatter_and_company(api, "organization")
    eve = await api.person("eve@example.com", accountName="Eve")
    await pay(api, eve)

    update_input = {"accountId": eve.account_id, **ORGANIZATION}
    assert await refusal_codes(api, "updateAccount", update_input, by=eve) == ORGANIZATION_TAKEN


async def test_new_holder_of_claimed_number_gets_the_whole_term(api: Api) -> None:
    squatter, company = await squatter_and_company(api, "organization")
    remove_input = {"accountId": squatter.account_id, "organizationNumber": None}
    assert codes(await api.do("updateAccount", remove_input, by=squatter)) == []
    holder = await api.person("holder@example.com", **ORGANIZATION)
    api.clock.forward(days=7)

    assert await run_job(api) == 1
    assert await load_number(holder, "organization") is not None
    assert len(await mails(holder.email, "number-claimed")) == 1
    api.clock.forward(days=7)
    assert await run_job(api) == 1
    assert await load_number(holder, "organization") is None
    assert await load_number(company, "organization") is not None


async def test_all_accounts_of_the_holder_lose_the_number(api: Api) -> None:
    squatter, company = await squatter_and_company(api, "organization")
    payload = await api.do("createAccount", {"name": "Second", **ORGANIZATION}, "account { id }", by=squatter)
    assert codes(payload) == []
    api.clock.forward(days=7)

    assert await run_job(api) == 1

    holders = await Account.filter(organization_number=ORGANIZATION["organizationNumber"])
    assert [holder.name for holder in holders] == ["Company"]
    assert await load_number(company, "organization") is not None


async def test_claim_on_unclaimed_client_account_is_mailed_to_the_bureau(api: Api) -> None:
    bureau = await register_bureau(api)
    await open_client_account(api, bureau, **ORGANIZATION)
    company = await api.person("company@example.com")
    await pay(api, company)

    assert codes(await set_number(api, company, "organization")) == ORGANIZATION_TAKEN

    assert len(await mails(bureau.email, "number-claimed")) == 1
    assert await mails("kim@example.com", "number-claimed") == []


async def test_guest_without_permission_claims_nothing(api: Api) -> None:
    await api.person("squatter@example.com", **ORGANIZATION)
    company = await api.person("company@example.com")
    await pay(api, company)
    bo, _ = await api.guest(company, "bo@example.com", "ACCOUNTANT")

    answer = await attempt(api, "updateAccount", {"accountId": company.account_id, **ORGANIZATION}, by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["permission"] == Permission.SETTINGS_WRITE
    assert await db.fetch("SELECT * FROM number_claims", row=db.Row) == []


# ---- The operator ----------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "country"), [("974 760 673", "NO"), ("NO93 8601 1117 947", None)])
async def test_operator_releases_a_number(api: Api, number: str, country: str | None) -> None:
    kind = "bank" if country is None else "organization"
    squatter = await api.person("squatter@example.com")
    company = await api.person("company@example.com")
    assert codes(await set_number(api, squatter, kind)) == []

    assert len(await number_claim.release(operator(api), number, country)) == 1

    assert await load_number(squatter, kind) is None
    assert len(await events("operator:number:release")) == len(await mails(squatter.email, "number-lost")) == 1
    assert codes(await set_number(api, company, kind)) == []


async def test_released_number_goes_to_its_claim(api: Api) -> None:
    _, company = await squatter_and_company(api, "organization")
    (claim,) = await number_claim.list_claims()
    assert (claim.number, claim.moves_at) == ("NO974760673", api.clock.now + number_claim.TERM)

    await number_claim.release(operator(api), "974760673", "no")

    assert await run_job(api) == 1
    assert await load_number(company, "organization") is not None


@pytest.mark.parametrize(("number", "country"), [("974760674", "NO"), ("923609016", "NO"), ("x", None), ("1", "XX")])
async def test_operator_cannot_release_invalid_or_free_number(api: Api, number: str, country: str | None) -> None:
    with pytest.raises(Refusal):
        await number_claim.release(operator(api), number, country)
