"""Trials: one for a user, by any way to an account, and trial days that stay in their account."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from models.billing.subscription import SubscriptionEntry
from models.scheduled import jobs
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.conftest import connect
from tests.models.bureaus.bureau_setup import register_bureau
from tests.models.bureaus.client_accounts import open_client_account
from tests.models.refusals import events, refusal_codes

EMAIL = "kim@example.com"


async def open_account(api: Api, by: Person, name: str, **arguments: object) -> str:
    payload = await api.do("createAccount", {"name": name, **arguments}, "account { id }", by=by)
    assert payload["errors"] == []
    account_id: str = payload["account"]["id"]
    return account_id


async def load_subscription(api: Api, by: Person | str, account_id: str) -> dict[str, Any]:
    """The days of an account."""
    query = "query ($id: ID) { account(id: $id) { subscription { daysLeft transferableDays isExpired } } }"
    row: dict[str, Any] = (await api.ask(query, {"id": account_id}, by=by)).data["account"]["subscription"]
    return row


async def credit(api: Api, name: str, days: int) -> None:
    row = await Account.get(name=name)
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await subscription.credit(caller, row.number, days, reference=f"{name} {days}")


async def check_ledger(api: Api) -> int:
    """Check that the ledger explains the end of each account. Returns the sum of all entries."""
    entries = await SubscriptionEntry.all()
    for row in await Account.all():
        days = sum(entry.days for entry in entries if entry.account_id == row.id)
        assert row.subscription_until >= row.created_at + timedelta(days=days)
    return sum(entry.days for entry in entries)


# ---- Days stay -------------------------------------------------------------------------------


async def test_trial_days_cannot_be_transferred(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    receiver = await open_account(api, anna, "Receiver")
    arguments = {"accountId": receiver, "payerAccountId": anna.account_id, "days": 10}

    assert await refusal_codes(api, "extendSubscription", arguments, by=anna) == [("INSUFFICIENT_DAYS", ["days"])]
    assert await load_subscription(api, anna, anna.account_id) == {
        "daysLeft": 30,
        "transferableDays": 0,
        "isExpired": False,
    }
    await credit(api, "Payer", 12)
    assert (await load_subscription(api, anna, anna.account_id))["transferableDays"] == 12
    too_many = await refusal_codes(api, "extendSubscription", {**arguments, "days": 13}, by=anna)
    assert too_many == [("INSUFFICIENT_DAYS", ["days"])]
    assert codes(await api.do("extendSubscription", {**arguments, "days": 12}, by=anna)) == []
    assert await load_subscription(api, anna, anna.account_id) == {
        "daysLeft": 30,
        "transferableDays": 0,
        "isExpired": False,
    }
    assert await check_ledger(api) == 72


async def test_trial_days_are_used_up_first(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    await credit(api, "Payer", 20)

    for days_passed, transferable_days in ((0, 20), (15, 20), (30, 20), (35, 15), (50, 0)):
        api.clock.now += timedelta(days=days_passed) - (api.clock.now - (await Account.get()).created_at)
        anna = await api.sign_in(anna)
        row = await load_subscription(api, anna, anna.account_id)
        assert row["transferableDays"] == transferable_days


async def test_days_after_a_trial_are_all_transferable(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    api.clock.forward(days=40)
    anna = await api.sign_in(anna)
    await credit(api, "Payer", 20)

    assert await load_subscription(api, anna, anna.account_id) == {
        "daysLeft": 20,
        "transferableDays": 20,
        "isExpired": False,
    }


async def test_database_refuses_a_transfer_of_trial_days(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    await open_account(api, anna, "Receiver")
    connection = await connect(database_url)
    sql = """INSERT INTO subscription_entries (id, account_id, days, kind, counterpart_id, created_at,
        valid_until_before, valid_until_after)
    SELECT gen_random_uuid(), a.id, -10, 'TRANSFER_OUT', b.id, now(), a.subscription_until,
        a.subscription_until - interval '10 days'
    FROM accounts a, accounts b WHERE a.name = 'Payer' AND b.name = 'Receiver'"""

    with pytest.raises(Exception, match="trial days cannot be transferred"):
        await connection.execute(sql)
    await connection.close()


# ---- One trial for a user --------------------------------------------------------------------


async def test_many_accounts_of_one_user_have_one_trial(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")

    account_ids = [await open_account(limited_api, anna, f"Firm {number}") for number in range(15)]

    assert await load_subscription(limited_api, anna, account_ids[0]) == {
        "daysLeft": 0,
        "transferableDays": 0,
        "isExpired": True,
    }
    assert await check_ledger(limited_api) == 30


async def test_account_opened_with_an_invitation_has_no_second_trial(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    bo = await limited_api.person("bo@example.com")
    for email in (bo.email, "cy@example.com"):
        await limited_api.do(
            "inviteUser", {"accountId": anna.account_id, "email": email, "role": "ACCOUNTANT"}, by=anna
        )

    by_bo = {"token": await limited_api.link(bo.email, "invitation"), "ownAccountName": "Second"}
    assert codes(await limited_api.do("acceptInvitation", by_bo, by=bo)) == []
    by_cy = {"token": await limited_api.link("cy@example.com", "invitation"), "ownAccountName": "First"}
    accept_input = {**by_cy, "name": "Cy", "password": PASSWORD}
    cy = (await limited_api.do("acceptInvitation", accept_input, "accessToken"))["accessToken"]

    # Cy's first account has Cy's trial.
    assert await SubscriptionEntry.filter(kind="TRIAL").count() == 3
    assert (await Account.get(name="Second")).trial_until is None
    payload = await limited_api.do("createAccount", {"name": "Third"}, "account { status }", by=cy)
    assert payload["account"] == {"status": "READ_ONLY"}


async def test_trial_of_client_account_counts_for_the_client(limited_api: Api) -> None:
    bureau = await register_bureau(limited_api)
    client_id = await open_client_account(limited_api, bureau)
    assert (await load_subscription(limited_api, bureau, client_id))["daysLeft"] == 30

    activate_input = {"token": await limited_api.link(EMAIL, "activation"), "password": PASSWORD}
    kim = (await limited_api.do("activate", activate_input, "accessToken"))["accessToken"]

    assert (await load_subscription(limited_api, kim, client_id))["daysLeft"] == 30
    payload = await limited_api.do("createAccount", {"name": "Own"}, "account { status }", by=kim)
    assert payload["account"] == {"status": "READ_ONLY"}


async def test_second_trial_by_a_client_account_is_taken_back(limited_api: Api) -> None:
    bureau = await register_bureau(limited_api)
    kim = await limited_api.person(EMAIL)
    client_id = await open_client_account(limited_api, bureau)
    await credit(limited_api, "Kunde AS", 15)
    limited_api.clock.forward(days=5)
    kim = await limited_api.sign_in(kim)

    payload = await limited_api.do("activate", {"token": await limited_api.link(EMAIL, "activation")}, by=kim)

    assert codes(payload) == []
    assert await load_subscription(limited_api, kim, client_id) == {
        "daysLeft": 15,
        "transferableDays": 15,
        "isExpired": False,
    }
    entries = await SubscriptionEntry.filter(kind="TRIAL", days__lt=0)
    assert [entry.days for entry in entries] == [-25]
    (event,) = await events("account:subscription:trial-end")
    assert event.actor_id is None


async def test_bureau_gets_one_trial_for_an_address(limited_api: Api) -> None:
    bureau = await register_bureau(limited_api)
    other_bureau = await register_bureau(limited_api, "other@example.com")

    for by, name in ((bureau, "One"), (bureau, "Two"), (other_bureau, "Three")):
        await open_client_account(limited_api, by, name=name)

    has_trial = {row.name: row.trial_until is not None for row in await Account.filter(activated_at=None)}
    assert has_trial == {"One": True, "Two": False, "Three": True}


async def test_trial_of_a_corrected_address_counts_for_the_new_address(limited_api: Api) -> None:
    bureau = await register_bureau(limited_api)
    await open_client_account(limited_api, bureau)
    client_id = await open_client_account(limited_api, bureau, name="Corrected", ownerEmail="kim@exmaple.com")
    correction = {"bureauAccountId": bureau.account_id, "clientAccountId": client_id, "ownerEmail": EMAIL}

    assert codes(await limited_api.do("correctClientOwner", correction, by=bureau)) == []

    assert (await load_subscription(limited_api, bureau, client_id))["daysLeft"] == 0
    other_id = await open_client_account(limited_api, bureau, name="Other", ownerEmail="kim@exmaple.com")
    assert (await load_subscription(limited_api, bureau, other_id))["daysLeft"] == 30


async def test_erased_user_gets_no_second_trial(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    assert codes(await limited_api.do("eraseMe", {"password": PASSWORD}, by=anna)) == []

    again = await limited_api.person("ANNA@example.com")

    assert (await load_subscription(limited_api, again, again.account_id))["isExpired"]
    limited_api.clock.forward(days=731)
    await jobs.run(Caller(now=limited_api.clock.now, config=OperationConfig(KEY)))
    rows = await db.fetch("SELECT user_id FROM trials", row=db.Row)
    assert rows == []


async def test_transferred_account_gives_its_former_owner_no_second_trial(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    bo, _ = await limited_api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD}
    assert codes(await limited_api.do("transferOwnership", offer, by=anna)) == []
    assert codes(await limited_api.do("acceptOwnership", {"accountId": anna.account_id}, by=bo)) == []

    second = await open_account(limited_api, anna, "Second")

    assert (await load_subscription(limited_api, anna, second))["isExpired"]
    assert await check_ledger(limited_api) == 30


async def test_concurrent_accounts_get_one_trial(limited_api: Api) -> None:
    anna, _ = await limited_api.guest(await limited_api.person("anna@example.com"), "bo@example.com", "ACCOUNTANT")

    await asyncio.gather(*(open_account(limited_api, anna, f"Firm {number}") for number in range(10)))

    assert await SubscriptionEntry.filter(kind="TRIAL").count() == 2  # the owner's, and one of the guest's ten


async def test_operator_can_allow_more_trials(api: Api) -> None:
    anna = await api.person("anna@example.com")

    second = await open_account(api, anna, "Second")

    assert await load_subscription(api, anna, second) == {"daysLeft": 30, "transferableDays": 0, "isExpired": False}
