"""Days of subscription: moved, credited, and the sum that stays."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal, UserErrorCode
from models.billing import subscription
from models.billing.subscription import SubscriptionEntry
from tests.api import KEY, NOWHERE, PASSWORD, Api, Person, codes
from tests.conftest import administer
from tests.models.refusals import events, refused, rejected

REUSED = [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


async def sell(api: Api, days: int, *, to: str, reference: str) -> None:
    """What the operator does at the command line."""
    row = await Account.get(name=to)
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await subscription.credit(caller, row.number, days, reference=reference)


async def two_accounts(api: Api, *, days: int = 400) -> tuple[Person, str]:
    """Somebody whose first account, Payer, has 30 days and what was sold; and his second one's id."""
    anna = await api.person("anna@example.com", accountName="Payer")
    done = await api.do("createAccount", {"name": "Receiver"}, "account { id }", by=anna)
    if days:
        await sell(api, days, to="Payer", reference="A1")
    return anna, done["account"]["id"]


def transfer(payer: str, receiver: str, days: int = 10, **more: object) -> dict[str, object]:
    return {"accountId": receiver, "payerAccountId": payer, "days": days, **more}


async def extend(api: Api, by: Person, given: dict[str, object]) -> dict[str, Any]:
    shown = "account { subscription { daysLeft } } payer { subscription { daysLeft } } entry { id days kind }"
    return await api.do("extendSubscription", given, shown, by=by)


async def days_left(name: str, now: datetime) -> int:
    return subscription.days_left((await Account.get(name=name)).subscription_until, now)


async def signed_in(api: Api, person: Person) -> Person:
    done = await api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return Person(person.email, done["accessToken"], person.user_id, person.account_id)


async def test_days_move_from_the_payer_to_the_receiver(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    done = await extend(api, anna, transfer(anna.account_id, receiver, 100))

    done["entry"].pop("id")
    assert done == {
        "account": {"subscription": {"daysLeft": 130}},
        "payer": {"subscription": {"daysLeft": 330}},
        "entry": {"days": 100, "kind": "TRANSFER_IN"},
        "errors": [],
    }
    ledger = "{ nodes { days kind counterpart { name } actor { id } } }"
    seen = await api.ask(
        f"{{ accounts(orderBy: NAME) {{ nodes {{ subscription {{ entries {ledger} }} }} }} }}", by=anna
    )
    payer, other = [node["subscription"]["entries"]["nodes"] for node in seen.data["accounts"]["nodes"]]
    me = {"id": anna.user_id}
    assert payer == [
        {"days": -100, "kind": "TRANSFER_OUT", "counterpart": {"name": "Receiver"}, "actor": me},
        {"days": 400, "kind": "CREDIT", "counterpart": None, "actor": None},
        {"days": 30, "kind": "TRIAL", "counterpart": None, "actor": None},
    ]
    assert other[0] == {"days": 100, "kind": "TRANSFER_IN", "counterpart": {"name": "Payer"}, "actor": me}


@pytest.mark.parametrize("days", [10, 365])
async def test_the_fewest_and_the_most_days(api: Api, days: int) -> None:
    anna, receiver = await two_accounts(api)

    assert codes(await extend(api, anna, transfer(anna.account_id, receiver, days))) == []


@pytest.mark.parametrize("days", [9, 366, 0, -1, -10, 2147483647, -2147483648])
async def test_days_out_of_range_move_nothing(api: Api, days: int) -> None:
    anna, receiver = await two_accounts(api)

    found = await refused(api, "extendSubscription", transfer(anna.account_id, receiver, days), by=anna)

    assert found == [("OUT_OF_RANGE", ["days"])]


@pytest.mark.parametrize("days", [2147483648, "30", 10.5, None, True, [10]])
async def test_days_that_are_no_number_are_no_request(api: Api, days: Any) -> None:
    anna, receiver = await two_accounts(api)

    answer = await rejected(api, "extendSubscription", transfer(anna.account_id, receiver, days), by=anna)

    assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])


async def test_the_payer_is_never_left_below_zero(api: Api) -> None:
    anna, receiver = await two_accounts(api, days=0)

    found = await refused(api, "extendSubscription", transfer(anna.account_id, receiver, 31), by=anna)
    assert found == [("INSUFFICIENT_DAYS", ["days"])]
    done = await extend(api, anna, transfer(anna.account_id, receiver, 30))
    assert done["payer"] == {"subscription": {"daysLeft": 0}}
    found = await refused(api, "extendSubscription", transfer(anna.account_id, receiver), by=anna)
    assert found == [("INSUFFICIENT_DAYS", ["days"])]


async def test_a_day_begun_is_no_whole_day(api: Api) -> None:
    anna, receiver = await two_accounts(api, days=0)
    api.clock.forward(seconds=1)

    found = await refused(api, "extendSubscription", transfer(anna.account_id, receiver, 30), by=anna)

    assert found == [("INSUFFICIENT_DAYS", ["days"])]


async def test_an_account_does_not_pay_itself(api: Api) -> None:
    anna, _ = await two_accounts(api)

    found = await refused(api, "extendSubscription", transfer(anna.account_id, anna.account_id), by=anna)

    assert found == [("SAME_ACCOUNT", ["payerAccountId"])]


async def test_foreign_and_made_up_accounts_do_not_exist(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    eve = await api.person("eve@example.com")

    for key in (eve.account_id, NOWHERE, anna.user_id, "x"):
        found = await refused(api, "extendSubscription", transfer(key, receiver), by=anna)
        assert found == [("NOT_FOUND", ["payerAccountId"])]
        found = await refused(api, "extendSubscription", transfer(anna.account_id, key), by=anna)
        assert found == [("NOT_FOUND", ["accountId"])]


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
async def test_paying_needs_the_permission_in_the_payer(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    bo, _ = await api.guest(anna, "bo@example.com", role)
    own = await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo)

    answer = await rejected(api, "extendSubscription", transfer(anna.account_id, own["account"]["id"]), by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["permission"] == "SUBSCRIPTION_WRITE"


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
async def test_any_access_is_enough_to_be_paid_for(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", role)
    own = await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo)

    done = await extend(api, bo, transfer(own["account"]["id"], anna.account_id, 30))

    assert done["account"] == {"subscription": {"daysLeft": 60}}


async def test_access_that_is_gone_is_not_paid_for(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    own = (await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo))["account"]["id"]
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    found = await refused(api, "extendSubscription", transfer(own, anna.account_id), by=bo)

    assert found == [("NOT_FOUND", ["accountId"])]


async def test_a_running_subscription_goes_on_from_its_end_and_an_ended_one_from_now(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    before = (await Account.get(name="Receiver")).subscription_until
    await extend(api, anna, transfer(anna.account_id, receiver, 10))
    assert (await Account.get(name="Receiver")).subscription_until == before + timedelta(days=10)
    api.clock.forward(days=100, hours=5)
    anna = await signed_in(api, anna)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    assert (await Account.get(name="Receiver")).subscription_until == api.clock.now + timedelta(days=10)


@pytest.mark.parametrize(
    "now",
    [
        datetime(2028, 2, 28, 23, 30, tzinfo=UTC),
        datetime(2027, 3, 28, 0, 59, tzinfo=UTC),
        datetime(2027, 10, 31, tzinfo=UTC),
    ],
)
async def test_a_day_is_86400_seconds_whatever_the_calendar_does(api: Api, now: datetime) -> None:
    api.clock.now = now
    anna, receiver = await two_accounts(api)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    assert (await Account.get(name="Receiver")).subscription_until == now + timedelta(seconds=40 * 86_400)


async def test_a_clock_that_jumps_back_shortens_nothing(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    before = (await Account.get(name="Receiver")).subscription_until
    api.clock.forward(minutes=-10)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    assert (await Account.get(name="Receiver")).subscription_until == before + timedelta(days=10)


async def test_an_end_more_than_ten_years_away_is_out_of_range(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    await sell(api, 3620, to="Receiver", reference="A2")

    found = await refused(api, "extendSubscription", transfer(anna.account_id, receiver, 11), by=anna)

    assert found == [("OUT_OF_RANGE", ["days"])]
    assert codes(await extend(api, anna, transfer(anna.account_id, receiver, 10))) == []


async def test_the_ledger_is_what_the_accounts_have(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    for days in (10, 20, 365):
        await extend(api, anna, transfer(anna.account_id, receiver, days))
    await extend(api, anna, transfer(receiver, anna.account_id, 50))

    entries = await SubscriptionEntry.all()

    assert sum(entry.days for entry in entries) == 400 + 30 + 30
    assert await days_left("Payer", api.clock.now) == 400 + 30 - 395 + 50
    assert await days_left("Receiver", api.clock.now) == 30 + 395 - 50


async def test_both_sides_have_an_event(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    (given,), (taken,) = await events("account:subscription:give"), await events("account:subscription:extend")
    assert '"days": -10' in given.after
    assert '"days": 10' in taken.after
    assert given.account_id != taken.account_id


# ---- Idempotency -----------------------------------------------------------------------------


async def test_the_same_key_gives_the_first_outcome_again(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    given = transfer(anna.account_id, receiver, 10, idempotencyKey="k1")
    first = await extend(api, anna, given)

    assert await extend(api, anna, given) == first
    assert await refused(api, "extendSubscription", given, by=anna) == []
    api.clock.forward(hours=24)
    again = await extend(api, anna, given)
    assert again["entry"] == first["entry"]
    assert len(await events("account:subscription:extend")) == 1


async def test_the_same_key_with_another_input_is_refused(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    await extend(api, anna, transfer(anna.account_id, receiver, 10, idempotencyKey="k1"))

    for given in (transfer(anna.account_id, receiver, 11), transfer(receiver, anna.account_id, 10)):
        assert await refused(api, "extendSubscription", given | {"idempotencyKey": "k1"}, by=anna) == REUSED


async def test_a_key_of_somebody_else_is_another_one(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    bo = await api.person("bo@example.com")
    own = await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo)

    await extend(api, anna, transfer(anna.account_id, receiver, 10, idempotencyKey="k1"))
    done = await extend(api, bo, transfer(bo.account_id, own["account"]["id"], 10, idempotencyKey="k1"))

    assert done["account"] == {"subscription": {"daysLeft": 40}}


async def test_a_refusal_uses_no_key_up(api: Api) -> None:
    anna, receiver = await two_accounts(api, days=0)
    given = transfer(anna.account_id, receiver, 100, idempotencyKey="k1")
    assert await refused(api, "extendSubscription", given, by=anna) == [("INSUFFICIENT_DAYS", ["days"])]
    await sell(api, 100, to="Payer", reference="A1")

    assert codes(await extend(api, anna, given)) == []


async def test_without_a_key_every_call_is_a_transfer(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    for left in (40, 50):
        done = await extend(api, anna, transfer(anna.account_id, receiver, 10))
        assert done["account"] == {"subscription": {"daysLeft": left}}


@pytest.mark.parametrize(
    ("key", "code"), [("", "REQUIRED"), (" ", "REQUIRED"), ("k" * 201, "TOO_LONG"), ("a\nb", "INVALID")]
)
async def test_a_key_is_one_line(api: Api, key: str, code: str) -> None:
    anna, receiver = await two_accounts(api)

    given = transfer(anna.account_id, receiver, 10, idempotencyKey=key)

    assert await refused(api, "extendSubscription", given, by=anna) == [(code, ["idempotencyKey"])]


async def test_the_outcome_is_not_shown_to_who_lost_access(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    own = (await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo))["account"]["id"]
    given = transfer(own, anna.account_id, 10, idempotencyKey="k1")
    await extend(api, bo, given)
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    shown = "{ account { name } entry { days } }"
    document = f"mutation ($input: ExtendSubscriptionInput!) {{ extendSubscription(input: $input) {shown} }}"
    answer = await api.ask(document, {"input": given}, by=bo)

    assert answer.partial["extendSubscription"]["account"] is None
    assert answer.partial["extendSubscription"]["entry"] is None


async def test_old_keys_go_with_the_next_one(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    given = transfer(anna.account_id, receiver, 10, idempotencyKey="k1")
    await extend(api, anna, given)
    api.clock.now += subscription.KEYS_KEPT + timedelta(seconds=1)

    await extend(api, anna, given | {"idempotencyKey": "k2"})

    (row,) = await db.fetch("SELECT key FROM idempotency_keys", row=db.Row)
    assert row.key == "k2"


# ---- The operator ----------------------------------------------------------------------------


async def test_a_credit_is_told_in_ledger_and_event(api: Api) -> None:
    await api.person("anna@example.com", accountName="Payer")

    await sell(api, 365, to="Payer", reference="A1")

    assert await days_left("Payer", api.clock.now) == 395
    (event,) = await events("operator:subscription:credit")
    assert (event.actor_id, event.actor_role) == (None, None)
    assert '"reference": "A1"' in event.after


async def test_a_reference_counts_once_on_whatever_account(api: Api) -> None:
    anna, _ = await two_accounts(api)
    del anna

    for name in ("Payer", "Receiver"):
        with pytest.raises(Refusal) as refusal:
            await sell(api, 10, to=name, reference=" A1 ")
        assert [(p.code, p.field) for p in refusal.value.problems] == [(UserErrorCode.ALREADY_EXISTS, "reference")]
    assert await SubscriptionEntry.filter(kind="CREDIT").count() == 1
    assert await days_left("Payer", api.clock.now) == 430


@pytest.mark.parametrize(
    ("number", "days", "reference", "field"),
    [(1, 10, "B", "account_number"), (None, 0, "B", "days"), (None, 3651, "B", "days"), (None, 10, "", "reference")],
)
async def test_a_credit_that_makes_no_sense(
    api: Api, number: int | None, days: int, reference: str, field: str
) -> None:
    await api.person("anna@example.com")
    row = await Account.get()

    with pytest.raises(Refusal) as refusal:
        await subscription.credit(
            Caller(now=api.clock.now, config=OperationConfig(KEY)), number or row.number, days, reference=reference
        )

    assert [problem.field for problem in refusal.value.problems] == [field]
    assert await SubscriptionEntry.all().count() == 1


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE subscription_entries SET days = 0", "subscription_entries_days_check"),
        ("UPDATE subscription_entries SET days = -1", "subscription_entries_sign"),
        ("UPDATE subscription_entries SET counterpart_id = account_id, kind = 'TRANSFER_IN'", "not_to_itself"),
        ("UPDATE subscription_entries SET kind = 'TRANSFER_IN'", "subscription_entries_two_sides"),
    ],
)
async def test_the_database_holds_it_too(api: Api, database_url: str, statement: str, constraint: str) -> None:
    await api.person("anna@example.com")

    with pytest.raises(Exception, match=constraint):
        await administer(database_url, statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)
