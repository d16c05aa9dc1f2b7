"""Days of subscription: transfers, credits, and the sum of the ledger."""

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
from resolvers import ids
from tests.api import KEY, UNKNOWN_ID, Api, Person, codes
from tests.conftest import execute_outside_transaction
from tests.models.bureaus.bureau_setup import register_bureau
from tests.models.bureaus.client_accounts import open_client_account
from tests.models.refusals import events, mails, refusal_codes, rejection, subjects

KEY_REUSED = [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


async def sell(api: Api, days: int, *, to: str, reference: str) -> None:
    """Credit days as the operator does at the command line."""
    row = await Account.get(name=to)
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await subscription.credit(caller, row.number, days, reference=reference)


async def two_accounts(api: Api, *, days: int = 400) -> tuple[Person, str]:
    """The owner of the account Payer with 30 trial days and `days` credited, and the id of their second account."""
    anna = await api.person("anna@example.com", accountName="Payer")
    payload = await api.do("createAccount", {"name": "Receiver"}, "account { id }", by=anna)
    if days:
        await sell(api, days, to="Payer", reference="A1")
    return anna, payload["account"]["id"]


def transfer(payer: str, receiver: str, days: int = 10, **arguments: object) -> dict[str, object]:
    return {"accountId": receiver, "payerAccountId": payer, "days": days, **arguments}


async def extend(api: Api, by: Person, arguments: dict[str, object]) -> dict[str, Any]:
    selection = "account { subscription { daysLeft } } payer { subscription { daysLeft } } entry { id days kind }"
    return await api.do("extendSubscription", arguments, selection, by=by)


async def days_left(name: str, now: datetime) -> int:
    return subscription.days_left((await Account.get(name=name)).subscription_until, now)


async def test_transfer_moves_days_from_payer_to_receiver(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    payload = await extend(api, anna, transfer(anna.account_id, receiver, 100))

    payload["entry"].pop("id")
    assert payload == {
        "account": {"subscription": {"daysLeft": 130}},
        "payer": {"subscription": {"daysLeft": 330}},
        "entry": {"days": 100, "kind": "TRANSFER_IN"},
        "errors": [],
    }
    ledger = "{ nodes { days kind counterpart { name } actor { id } } }"
    answer = await api.ask(
        f"{{ accounts(orderBy: NAME) {{ nodes {{ subscription {{ entries {ledger} }} }} }} }}", by=anna
    )
    payer_entries, receiver_entries = [
        node["subscription"]["entries"]["nodes"] for node in answer.data["accounts"]["nodes"]
    ]
    actor = {"id": anna.user_id}
    assert payer_entries == [
        {"days": -100, "kind": "TRANSFER_OUT", "counterpart": {"name": "Receiver"}, "actor": actor},
        {"days": 400, "kind": "CREDIT", "counterpart": None, "actor": None},
        {"days": 30, "kind": "TRIAL", "counterpart": None, "actor": None},
    ]
    assert receiver_entries[0] == {"days": 100, "kind": "TRANSFER_IN", "counterpart": {"name": "Payer"}, "actor": actor}


@pytest.mark.parametrize("days", [10, 365])
async def test_smallest_and_largest_transfer_are_allowed(api: Api, days: int) -> None:
    anna, receiver = await two_accounts(api)

    assert codes(await extend(api, anna, transfer(anna.account_id, receiver, days))) == []


@pytest.mark.parametrize("days", [9, 366, 0, -1, -10, 2147483647, -2147483648])
async def test_days_out_of_range_are_rejected(api: Api, days: int) -> None:
    anna, receiver = await two_accounts(api)

    error_codes = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, receiver, days), by=anna)

    assert error_codes == [("OUT_OF_RANGE", ["days"])]


@pytest.mark.parametrize("days", [2147483648, "30", 10.5, None, True, [10]])
async def test_days_of_wrong_type_are_bad_input(api: Api, days: Any) -> None:
    anna, receiver = await two_accounts(api)

    answer = await rejection(api, "extendSubscription", transfer(anna.account_id, receiver, days), by=anna)

    assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])


async def test_transfer_of_more_days_than_left_is_rejected(api: Api) -> None:
    anna, receiver = await two_accounts(api, days=30)

    error_codes = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, receiver, 31), by=anna)
    assert error_codes == [("INSUFFICIENT_DAYS", ["days"])]
    payload = await extend(api, anna, transfer(anna.account_id, receiver, 30))
    assert payload["payer"] == {"subscription": {"daysLeft": 30}}
    error_codes = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, receiver), by=anna)
    assert error_codes == [("INSUFFICIENT_DAYS", ["days"])]


async def test_started_day_does_not_count_as_whole_day(api: Api) -> None:
    anna, receiver = await two_accounts(api, days=30)
    api.clock.forward(days=30, seconds=1)
    anna = await api.sign_in(anna)

    error_codes = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, receiver, 30), by=anna)

    assert error_codes == [("INSUFFICIENT_DAYS", ["days"])]


async def test_account_cannot_pay_itself(api: Api) -> None:
    anna, _ = await two_accounts(api)

    error_codes = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, anna.account_id), by=anna)

    assert error_codes == [("SAME_ACCOUNT", ["payerAccountId"])]


async def test_foreign_and_unknown_accounts_are_not_found(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    eve = await api.person("eve@example.com")

    for key in (eve.account_id, UNKNOWN_ID, anna.user_id, "x"):
        error_codes = await refusal_codes(api, "extendSubscription", transfer(key, receiver), by=anna)
        assert error_codes == [("NOT_FOUND", ["payerAccountId"])]
        error_codes = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, key), by=anna)
        assert error_codes == [("NOT_FOUND", ["accountId"])]


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
async def test_transfer_needs_permission_in_payer_account(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    bo, _ = await api.guest(anna, "bo@example.com", role)
    payload = await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo)

    answer = await rejection(api, "extendSubscription", transfer(anna.account_id, payload["account"]["id"]), by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["permission"] == "SUBSCRIPTION_WRITE"


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
async def test_any_active_grant_on_receiver_is_enough(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", role)
    own_account = await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo)
    await sell(api, 30, to="Own", reference="A1")

    payload = await extend(api, bo, transfer(own_account["account"]["id"], anna.account_id, 30))

    assert payload["account"] == {"subscription": {"daysLeft": 60}}


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "COLLABORATOR"])
async def test_guest_cannot_pay_for_an_account_of_their_own(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    await sell(api, 400, to="Payer", reference="A1")
    bo, _ = await api.guest(anna, "bo@example.com", role)
    own_id = (await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo))["account"]["id"]

    answer = await rejection(api, "extendSubscription", transfer(anna.account_id, own_id, 365), by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["permission"] == "OWNERSHIP"
    (event,) = await events("refused:account:subscription:give")
    assert event.actor_id == ids.decode("User", bo.user_id)
    assert await mails(anna.email, "days-given") == []


@pytest.mark.parametrize("owner_email", ["kim@example.com", "bo@example.com"])
async def test_guest_cannot_pay_for_a_client_account_of_their_own_bureau(api: Api, owner_email: str) -> None:
    """The account belongs to the bureau until the client takes it over, and the client can be the guest."""
    anna = await api.person("anna@example.com", accountName="Payer")
    await sell(api, 400, to="Payer", reference="A1")
    bo, _ = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    bureau_input = {"name": "Bureau", "kind": "BUREAU"}
    bureau_id = (await api.do("createAccount", bureau_input, "account { id }", by=bo))["account"]["id"]
    client_input = {"bureauAccountId": bureau_id, "name": "Client", "ownerName": "Kim", "ownerEmail": owner_email}
    client_id = (await api.do("createClientAccount", client_input, "account { id }", by=bo))["account"]["id"]

    answer = await rejection(api, "extendSubscription", transfer(anna.account_id, client_id), by=bo)

    assert answer.codes == ["FORBIDDEN"]


@pytest.mark.parametrize(("email", "form"), [("bo@example.com", "BO@example.com"), ("bo@bücher.example.com", None)])
async def test_guest_cannot_pay_for_an_account_that_waits_for_them(api: Api, email: str, form: str | None) -> None:
    """Another owner's bureau has opened it for the address of the guest, in any form."""
    anna, bureau = await api.person("anna@example.com", accountName="Payer"), await register_bureau(api)
    await sell(api, 400, to="Payer", reference="A1")
    bo, _ = await api.guest(anna, email, "COLLABORATOR")
    await api.do("inviteUser", {"accountId": bureau.account_id, "email": email, "role": "ADMINISTRATOR"}, by=bureau)
    assert codes(await api.do("acceptInvitation", {"token": await api.link(email, "invitation")}, by=bo)) == []
    client_input = {"bureauAccountId": bureau.account_id, "name": "Client", "ownerName": "Bo"}
    payload = await api.do(
        "createClientAccount", {**client_input, "ownerEmail": form or email}, "account { id }", by=bo
    )

    answer = await rejection(api, "extendSubscription", transfer(anna.account_id, payload["account"]["id"]), by=bo)

    assert answer.codes == ["FORBIDDEN"]


async def test_owner_gets_a_mail_about_each_transfer_by_another_user(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Payer")
    await sell(api, 400, to="Payer", reference="A1")
    bo, _ = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    friend = await api.person("friend@example.com", accountName="Friend")
    await api.do("inviteUser", {"accountId": friend.account_id, "email": bo.email, "role": "ACCOUNTANT"}, by=friend)
    await api.do("acceptInvitation", {"token": await api.link(bo.email, "invitation")}, by=bo)
    arguments = transfer(anna.account_id, friend.account_id, 20, idempotencyKey="k1")

    for _ in range(2):  # the second call has the outcome of the first one
        assert codes(await extend(api, bo, arguments)) == []

    (mail,) = await mails(anna.email, "days-given")
    assert await subjects(anna.email, "days-given") == ["Bo Berg gave days of Payer to Friend"]
    assert mail.account_id == ids.decode("Account", anna.account_id)
    assert codes(await extend(api, bo, {**arguments, "idempotencyKey": "k2"})) == []
    assert len(await mails(anna.email, "days-given")) == 2


async def test_owner_gets_no_mail_about_their_own_transfer(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    assert codes(await extend(api, anna, transfer(anna.account_id, receiver))) == []

    assert await mails(anna.email, "days-given") == []


async def test_bureau_pays_for_its_client(api: Api) -> None:
    bureau = await register_bureau(api)
    await sell(api, 100, to="Biuro AS", reference="A1")
    client_id = await open_client_account(api, bureau)

    assert codes(await extend(api, bureau, transfer(bureau.account_id, client_id))) == []


async def test_revoked_grant_on_receiver_is_not_enough(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    payer_id = (await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo))["account"]["id"]
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    error_codes = await refusal_codes(api, "extendSubscription", transfer(payer_id, anna.account_id), by=bo)

    assert error_codes == [("NOT_FOUND", ["accountId"])]


async def test_days_are_added_to_later_of_now_and_end(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    before = (await Account.get(name="Receiver")).subscription_until
    await extend(api, anna, transfer(anna.account_id, receiver, 10))
    assert (await Account.get(name="Receiver")).subscription_until == before + timedelta(days=10)
    api.clock.forward(days=100, hours=5)
    anna = await api.sign_in(anna)

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
async def test_day_is_86400_seconds_across_calendar_changes(api: Api, now: datetime) -> None:
    api.clock.now = now
    anna, receiver = await two_accounts(api)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    assert (await Account.get(name="Receiver")).subscription_until == now + timedelta(seconds=40 * 86_400)


async def test_clock_set_back_does_not_shorten_subscription(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    before = (await Account.get(name="Receiver")).subscription_until
    api.clock.forward(minutes=-10)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    assert (await Account.get(name="Receiver")).subscription_until == before + timedelta(days=10)


async def test_end_more_than_ten_years_ahead_is_rejected(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    await sell(api, 3620, to="Receiver", reference="A2")

    rejection = await refusal_codes(api, "extendSubscription", transfer(anna.account_id, receiver, 11), by=anna)

    assert rejection == [("OUT_OF_RANGE", ["days"])]
    assert codes(await extend(api, anna, transfer(anna.account_id, receiver, 10))) == []


async def test_sum_of_ledger_equals_days_of_accounts(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    for days in (10, 20, 365):
        await extend(api, anna, transfer(anna.account_id, receiver, days))
    await extend(api, anna, transfer(receiver, anna.account_id, 50))

    entries = await SubscriptionEntry.all()

    assert sum(entry.days for entry in entries) == 400 + 30 + 30
    assert await days_left("Payer", api.clock.now) == 400 + 30 - 395 + 50
    assert await days_left("Receiver", api.clock.now) == 30 + 395 - 50


async def test_transfer_is_recorded_on_both_sides(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    await extend(api, anna, transfer(anna.account_id, receiver, 10))

    (give_event,), (extend_event,) = (
        await events("account:subscription:give"),
        await events("account:subscription:extend"),
    )
    assert '"days": -10' in give_event.after
    assert '"days": 10' in extend_event.after
    assert give_event.account_id != extend_event.account_id


# ---- Idempotency -----------------------------------------------------------------------------


async def test_repeated_key_returns_first_outcome(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    arguments = transfer(anna.account_id, receiver, 10, idempotencyKey="k1")
    first_payload = await extend(api, anna, arguments)

    assert await extend(api, anna, arguments) == first_payload
    assert await refusal_codes(api, "extendSubscription", arguments, by=anna) == []
    api.clock.forward(hours=24)
    second_payload = await extend(api, anna, arguments)
    assert second_payload["entry"] == first_payload["entry"]
    assert len(await events("account:subscription:extend")) == 1


async def test_repeated_key_with_different_input_is_rejected(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    await extend(api, anna, transfer(anna.account_id, receiver, 10, idempotencyKey="k1"))

    for arguments in (transfer(anna.account_id, receiver, 11), transfer(receiver, anna.account_id, 10)):
        assert (
            await refusal_codes(api, "extendSubscription", arguments | {"idempotencyKey": "k1"}, by=anna) == KEY_REUSED
        )


async def test_same_key_of_another_user_is_independent(api: Api) -> None:
    anna, receiver = await two_accounts(api)
    bo = await api.person("bo@example.com")
    own_account = await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo)
    await sell(api, 30, to="Own", reference="A2")

    await extend(api, anna, transfer(anna.account_id, receiver, 10, idempotencyKey="k1"))
    payload = await extend(api, bo, transfer(own_account["account"]["id"], bo.account_id, 10, idempotencyKey="k1"))

    assert payload["account"] == {"subscription": {"daysLeft": 40}}


async def test_refusal_does_not_use_up_the_key(api: Api) -> None:
    anna, receiver = await two_accounts(api, days=0)
    arguments = transfer(anna.account_id, receiver, 100, idempotencyKey="k1")
    assert await refusal_codes(api, "extendSubscription", arguments, by=anna) == [("INSUFFICIENT_DAYS", ["days"])]
    await sell(api, 100, to="Payer", reference="A1")

    assert codes(await extend(api, anna, arguments)) == []


async def test_every_call_without_key_is_a_transfer(api: Api) -> None:
    anna, receiver = await two_accounts(api)

    for expected_days in (40, 50):
        payload = await extend(api, anna, transfer(anna.account_id, receiver, 10))
        assert payload["account"] == {"subscription": {"daysLeft": expected_days}}


@pytest.mark.parametrize(
    ("key", "code"), [("", "REQUIRED"), (" ", "REQUIRED"), ("k" * 201, "TOO_LONG"), ("a\nb", "INVALID")]
)
async def test_invalid_key_is_rejected(api: Api, key: str, code: str) -> None:
    anna, receiver = await two_accounts(api)

    arguments = transfer(anna.account_id, receiver, 10, idempotencyKey=key)

    assert await refusal_codes(api, "extendSubscription", arguments, by=anna) == [(code, ["idempotencyKey"])]


async def test_repeated_key_shows_nothing_after_lost_access(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    payer_id = (await api.do("createAccount", {"name": "Own"}, "account { id }", by=bo))["account"]["id"]
    arguments = transfer(payer_id, anna.account_id, 10, idempotencyKey="k1")
    await extend(api, bo, arguments)
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    selection = "{ account { name } entry { days } }"
    document = f"mutation ($input: ExtendSubscriptionInput!) {{ extendSubscription(input: $input) {selection} }}"
    answer = await api.ask(document, {"input": arguments}, by=bo)

    assert answer.partial["extendSubscription"]["account"] is None
    assert answer.partial["extendSubscription"]["entry"] is None


# ---- The operator ----------------------------------------------------------------------------


async def test_credit_is_recorded_in_ledger_and_event(api: Api) -> None:
    await api.person("anna@example.com", accountName="Payer")

    await sell(api, 365, to="Payer", reference="A1")

    assert await days_left("Payer", api.clock.now) == 395
    (event,) = await events("operator:subscription:credit")
    assert (event.actor_id, event.actor_role) == (None, None)
    assert '"reference": "A1"' in event.after


async def test_reference_can_be_used_once_across_accounts(api: Api) -> None:
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
async def test_invalid_credit_is_rejected(api: Api, number: int | None, days: int, reference: str, field: str) -> None:
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
        ("UPDATE subscription_entries SET days = -1, kind = 'CREDIT'", "subscription_entries_sign"),
        ("UPDATE subscription_entries SET counterpart_id = account_id, kind = 'TRANSFER_IN'", "not_to_itself"),
        ("UPDATE subscription_entries SET kind = 'TRANSFER_IN'", "subscription_entries_two_sides"),
    ],
)
async def test_database_enforces_ledger_rules(api: Api, database_url: str, statement: str, constraint: str) -> None:
    await api.person("anna@example.com")

    with pytest.raises(Exception, match=constraint):
        await execute_outside_transaction(database_url, statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)
