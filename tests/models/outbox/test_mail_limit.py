"""Bounds on the mails that users can cause: by sender, by receiver and for the installation."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from models.outbox import mail_limit
from models.outbox.message_kind import MailLimit, MessageKind
from models.throttle import Limit
from resolvers import ids
from tests.api import KEY, Api, Person, codes
from tests.models.bureaus.bureau_setup import account_number, add_staff, assign, engage, register_bureau
from tests.models.refusals import attempt, mails, rejection
from tests.models.throttle_attempts import RATE_LIMITED, fill, outcome

STRANGER = "stranger@example.com"
LONG_TEXT = "x" * 2000
LIMITED_BY_OPERATION = {
    MessageKind.ACTIVATION,  # MAIL_FROM and MAIL_TO
    MessageKind.ADDRESS_TAKEN,
    MessageKind.PASSWORD_RESET,
    MessageKind.PASSWORD_CHANGED,  # to the caller
    MessageKind.ACCOUNT_CLOSING,  # CLOSINGS
    MessageKind.ACCOUNT_REOPENED,
    MessageKind.ACCOUNT_CLOSED,
    MessageKind.EMAIL_CHANGE_FAILED,  # to the user who asked for the change
    MessageKind.EMAIL_CHANGED,  # one for each link to a new address, which is an offer
    MessageKind.EMAIL_CHANGE_UNDONE,
    MessageKind.EMAIL_TAKEN_BACK,
    MessageKind.SECOND_FACTOR_ENABLED,
    MessageKind.SECOND_FACTOR_DISABLED,
    MessageKind.RECOVERY_CODE_USED,
    MessageKind.RECOVERY_CODES_RENEWED,
    MessageKind.PASSKEY_ADDED,
    MessageKind.PASSKEY_REMOVED,
    MessageKind.SECOND_FACTOR_GUESSED,  # WARNING
    MessageKind.OWNERSHIP_OFFERED,  # OWNERSHIP; the others are answers
    MessageKind.OWNERSHIP_WITHDRAWN,
    MessageKind.OWNERSHIP_ACCEPTED,
    MessageKind.OWNERSHIP_DECLINED,
    MessageKind.OWNERSHIP_EXPIRED,
    MessageKind.SIGN_IN_CODE,
    MessageKind.DAYS_GIVEN,  # each costs days
    MessageKind.NUMBER_CLAIMED,  # claims are counted with accounts
    MessageKind.NUMBER_LOST,
    MessageKind.NUMBER_GAINED,
    MessageKind.NUMBER_KEPT,
}


async def invite(api: Api, by: Person, email: str, account_id: str | None = None, **arguments: object) -> str:
    """Invite an address. Returns the error code, or "done"."""
    input_ = {"accountId": account_id or by.account_id, "email": email, "role": "ACCOUNTANT", **arguments}
    return outcome(await attempt(api, "inviteUser", input_, by=by), "inviteUser")


async def credit(api: Api, person: Person) -> None:
    """Give the account of a person paid days."""
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await subscription.credit(caller, await account_number(person), 30, reference="order 1")


async def grow_old(api: Api, person: Person) -> None:
    """Let the login of a person be activated a month ago."""
    since = api.clock.now - mail_limit.ESTABLISHED_AFTER
    await db.execute("UPDATE users SET activated_at = $2 WHERE id = $1", ids.decode("User", person.user_id), since)


# ---- The kinds -------------------------------------------------------------------------------


def test_kind_without_a_bound_is_an_error() -> None:
    kind = MessageKind.INVITATION  # it stays as it is

    with pytest.raises(TypeError, match="declares no limit"):
        MessageKind.__init__(kind, "new-kind", "A subject")
    with pytest.raises(TypeError, match="has no topic"):
        MessageKind.__init__(kind, "new-kind", "A subject", MailLimit.NOTICE)


def test_kinds_that_are_limited_by_their_operation_are_known() -> None:
    """A kind in this set is counted nowhere else, and cannot be blocked. Look at its operation before you add it."""
    assert {kind for kind in MessageKind if kind.limit is MailLimit.OPERATION} == LIMITED_BY_OPERATION


# ---- Offers ----------------------------------------------------------------------------------


async def test_new_senders_mail_one_stranger_ten_times_a_day(api: Api) -> None:
    people = [await api.person(f"p{index}@example.com") for index in range(7)]

    outcomes = [await invite(api, person, STRANGER) for person in people]
    for person in people:
        input_ = {"accountId": person.account_id}
        query = "query ($accountId: ID!) { account(id: $accountId) { invitations { nodes { id } } } }"
        (node,) = (await api.ask(query, input_, by=person)).data["account"]["invitations"]["nodes"]
        answer = await attempt(api, "resendInvitation", {"invitationId": node["id"]}, by=person)
        outcomes.append(outcome(answer, "resendInvitation"))

    assert outcomes == ["done"] * 10 + [RATE_LIMITED] * 4
    assert len(await mails(STRANGER, "invitation")) == 10
    api.clock.forward(days=1)
    assert await invite(api, await api.sign_in(people[0]), "other@example.com") == "done"


async def test_bound_of_receiver_is_for_all_kinds_of_offers(api: Api) -> None:
    anna, biuro = await api.person("anna@example.com"), await register_bureau(api)
    await invite(api, anna, STRANGER)
    await fill(mail_limit.NEW.address_offers, 10)
    client = {"bureauAccountId": biuro.account_id, "name": "Klient", "ownerName": "Kari", "ownerEmail": STRANGER}

    answer = await rejection(api, "createClientAccount", client, by=biuro)

    assert answer.codes == [RATE_LIMITED]
    assert await mails(STRANGER, "client-activation") == []


async def test_new_senders_do_not_use_up_the_bound_of_established_senders(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await invite(api, anna, STRANGER)
    await fill(mail_limit.NEW.address_offers, 10)
    await fill(Limit(mail_limit.INSTALLATION_NEW, 0, timedelta()), 500)
    assert await invite(api, bo, STRANGER) == RATE_LIMITED

    await grow_old(api, bo)

    assert await invite(api, bo, STRANGER) == "done"


async def test_sender_has_one_bound_in_all_accounts(api: Api) -> None:
    anna = await api.person("anna@example.com")
    payload = await api.do("createAccount", {"name": "Two"}, "account { id }", by=anna)
    assert await invite(api, anna, "p1@example.com") == "done"
    await fill(mail_limit.NEW.offers, 50)

    assert await invite(api, anna, "p2@example.com", payload["account"]["id"]) == RATE_LIMITED


@pytest.mark.parametrize("standing", [grow_old, credit])
async def test_established_sender_may_send_more(api: Api, standing: Callable[[Api, Person], Awaitable[None]]) -> None:
    anna = await api.person("anna@example.com")
    assert await invite(api, anna, "p1@example.com") == "done"
    for limit in (mail_limit.NEW.offers, mail_limit.NEW.account_offers):
        await fill(limit, 50)
    assert await invite(api, anna, "p2@example.com") == RATE_LIMITED

    await standing(api, anna)

    assert await invite(api, anna, "p2@example.com") == "done"
    await fill(mail_limit.ESTABLISHED.offers, 500)
    assert await invite(api, anna, "p3@example.com") == RATE_LIMITED


async def test_days_of_a_trial_or_another_account_give_no_standing(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY), user_id=ids.decode("User", anna.user_id))

    allowances = [await mail_limit.allowance(caller)]
    await db.execute(
        "INSERT INTO subscription_entries SELECT gen_random_uuid(), account_id, days, 'TRANSFER_IN', $1, actor_id,"
        " reference, created_at, valid_until_before, valid_until_after FROM subscription_entries"
        " WHERE account_id <> $1",
        ids.decode("Account", bo.account_id),
    )
    allowances.append(await mail_limit.allowance(caller))

    assert allowances == [mail_limit.NEW, mail_limit.NEW]


async def test_installation_has_a_bound_of_which_new_senders_have_half(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna, "p1@example.com")
    await fill(Limit(mail_limit.INSTALLATION_NEW, 0, timedelta()), 500)

    answer = await rejection(
        api, "inviteUser", {"accountId": anna.account_id, "email": "p2@example.com", "role": "ACCOUNTANT"}, by=anna
    )

    assert answer.codes == [RATE_LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 3600
    await grow_old(api, anna)
    assert await invite(api, anna, "p2@example.com") == "done"
    await fill(Limit(mail_limit.INSTALLATION, 0, timedelta()), 1000)
    assert await invite(api, anna, "p3@example.com") == RATE_LIMITED


async def test_long_message_of_new_sender_is_shortened(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await grow_old(api, bo)

    for person in (anna, bo):
        assert await invite(api, person, STRANGER, message=LONG_TEXT) == "done"

    sql = "SELECT length(params ->> 'message') AS length FROM messages WHERE to_address = $1 ORDER BY id"
    assert [row.length for row in await db.fetch(sql, STRANGER, row=db.Row)] == [500, 2000]


# ---- Requests and notices --------------------------------------------------------------------


async def test_owner_gets_ten_requests_of_new_senders_a_day_and_the_answers_are_the_same(api: Api) -> None:
    owner = await register_bureau(api, "owner@example.com")
    biuro = await register_bureau(api)
    await fill(mail_limit.NEW.address_requests, 10)
    number = await account_number(owner)
    assert (
        codes(await api.do("engageBureau", {"bureauAccountId": biuro.account_id, "clientNumber": number}, by=biuro))
        == []
    )
    assert len(await mails(owner.email, "engagement-asked")) == 1
    await fill(mail_limit.NEW.address_requests, 10)
    other = await register_bureau(api, "other@example.com")

    payload = await api.do("engageBureau", {"bureauAccountId": other.account_id, "clientNumber": number}, by=other)
    access = await api.do("requestAccess", {"accountNumber": number, "role": "ACCOUNTANT"}, by=other)

    assert payload == access == {"errors": []}
    assert len(await mails(owner.email, "engagement-asked")) == 1
    assert await mails(owner.email, "access-requested") == []


async def test_sender_of_requests_has_a_bound_that_does_not_depend_on_the_target(api: Api) -> None:
    biuro = await register_bureau(api)
    arguments = {"bureauAccountId": biuro.account_id, "clientNumber": 987_654_321}
    assert codes(await api.do("engageBureau", arguments, by=biuro)) == []
    await fill(mail_limit.NEW.requests, 50)
    target = await register_bureau(api, "target@example.com")

    for number in (987_654_321, await account_number(target)):
        answer = await rejection(api, "engageBureau", {**arguments, "clientNumber": number}, by=biuro)
        assert answer.codes == [RATE_LIMITED]


async def test_assigning_again_and_again_mails_the_owner_thirty_times(api: Api) -> None:
    biuro, anna = await register_bureau(api), await api.person("anna@example.com")
    await engage(api, biuro, anna)
    consultant, _ = await add_staff(api, biuro, "kari@example.com")
    for _ in range(2):
        await assign(api, biuro, consultant, [anna.account_id])
        input_ = {
            "bureauAccountId": biuro.account_id,
            "userId": consultant.user_id,
            "clientAccountIds": [anna.account_id],
        }
        assert codes(await api.do("unassignConsultant", input_, by=biuro)) == []
        await fill(mail_limit.NEW.notices, 30)

    assert len(await mails(anna.email, "consultant-assigned")) == 1


async def test_unproved_owner_of_a_client_account_gets_only_the_offer(api: Api) -> None:
    """A bureau can enter any address as that of the owner."""
    biuro = await register_bureau(api)
    consultant, _ = await add_staff(api, biuro, "kari@example.com")
    client = {"bureauAccountId": biuro.account_id, "name": "Klient", "ownerName": "S", "ownerEmail": STRANGER}
    payload = await api.do("createClientAccount", client, "account { id }", by=biuro)
    client_id = payload["account"]["id"]

    await assign(api, biuro, consultant, [client_id])
    input_ = {"bureauAccountId": biuro.account_id, "userId": consultant.user_id, "clientAccountIds": [client_id]}
    await api.do("unassignConsultant", input_, by=biuro)

    sql = "SELECT kind FROM messages WHERE to_address = $1"
    assert [row.kind for row in await db.fetch(sql, STRANGER, row=db.Row)] == ["client-activation"]


async def test_owner_offers_the_ownership_twenty_times_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": "kestrel orbit lantern"}
    assert codes(await api.do("transferOwnership", offer, by=anna)) == []
    await fill(Limit("ownership", 0, timedelta()), 20)

    assert (await attempt(api, "transferOwnership", offer, by=anna)).codes == [RATE_LIMITED]
    assert len(await mails(bo.email, "ownership-offered")) == 1


# ---- Security --------------------------------------------------------------------------------


async def test_flooded_address_gets_its_password_reset(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    cy = await api.person("cy@example.com")
    assert await invite(api, bo, anna.email) == "done"
    counters = "kind ~ '^(offer|request|notice|invitation|mail:all)'"
    await db.execute(f"UPDATE guesses SET tried = array_fill(tried[1], ARRAY[2000]) WHERE {counters}")
    assert await invite(api, cy, anna.email) == RATE_LIMITED

    assert codes(await api.do("requestPasswordReset", {"email": anna.email})) == []

    assert len(await mails(anna.email, "password-reset")) == 1
