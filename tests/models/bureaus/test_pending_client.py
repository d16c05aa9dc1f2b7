"""Client accounts without an owner: sending the link again, correcting the address, withdrawing the account."""

import asyncio
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from models.accounts.account import Account
from models.people.user import User
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person, codes
from tests.models.bureaus.bureau_setup import add_staff, can_enter, engage, list_engagements, register_bureau
from tests.models.bureaus.client_accounts import EMAIL, account_key, account_status, open_client_account
from tests.models.refusals import events, mails, refusal_codes, rejection

STRANGER = "kim@exmaple.com"
"""A mistyped address: a stranger reads its mails."""
LINK_DEAD = [("TOKEN_INVALID", ["token"])]
NOT_WAITING = [("INVALID_STATE", ["clientAccountId"])]
NOT_FOUND = [("NOT_FOUND", ["clientAccountId"])]


def names(bureau: Person, client: str, **fields: object) -> dict[str, object]:
    """The input that names a client of a bureau."""
    return {"bureauAccountId": bureau.account_id, "clientAccountId": client, **fields}


async def activate(api: Api, token: str) -> Any:
    """Follow a link that takes an account over."""
    arguments = {"token": token, "password": PASSWORD}
    return await api.do("activate", arguments, "accessToken viewer { currentAccount { id } }")


async def open_for_stranger(api: Api, bureau: Person, **fields: object) -> tuple[str, str]:
    """Open a client account with the mistyped address. Returns its id and the token of the link."""
    client = await open_client_account(api, bureau, ownerEmail=STRANGER, **fields)
    return client, await api.link(STRANGER, "activation")


# ---- Links -----------------------------------------------------------------------------------


async def test_link_expires_after_a_week_and_bureau_can_resend_it(api: Api) -> None:
    bureau = await register_bureau(api)
    client = await open_client_account(api, bureau)
    old_token = await api.link(EMAIL, "activation")
    arguments = {"bureauAccountId": bureau.account_id, "clientAccountId": client}
    api.clock.forward(days=7)
    bureau = await api.sign_in(bureau)
    assert await refusal_codes(api, "activate", {"token": old_token, "password": PASSWORD}) == [
        ("TOKEN_EXPIRED", ["token"])
    ]

    payload = await api.do("resendClientActivation", arguments, "account { id }", by=bureau)

    assert payload == {"account": {"id": client}, "errors": []}
    assert await refusal_codes(api, "activate", {"token": old_token, "password": PASSWORD}) == [
        ("TOKEN_INVALID", ["token"])
    ]
    activation = {"token": await api.link(EMAIL, "activation"), "password": PASSWORD}
    assert codes(await api.do("activate", activation)) == []
    assert await refusal_codes(api, "resendClientActivation", arguments, by=bureau) == [
        ("INVALID_STATE", ["clientAccountId"])
    ]


async def test_only_the_engaged_bureau_can_resend_the_link(api: Api) -> None:
    bureau, other_bureau = await register_bureau(api), await register_bureau(api, "other@example.com")
    clerk, _ = await add_staff(api, bureau, "clerk@example.com", "ACCOUNTANT")
    client = await open_client_account(api, bureau)
    arguments = {"bureauAccountId": bureau.account_id, "clientAccountId": client}

    other_arguments = {**arguments, "bureauAccountId": other_bureau.account_id}
    assert await refusal_codes(api, "resendClientActivation", other_arguments, by=other_bureau) == [
        ("NOT_FOUND", ["clientAccountId"])
    ]
    assert await refusal_codes(api, "resendClientActivation", arguments, by=other_bureau) == [
        ("NOT_FOUND", ["bureauAccountId"])
    ]
    assert (await rejection(api, "resendClientActivation", arguments, by=clerk)).codes == ["FORBIDDEN"]
    for unknown_id in (UNKNOWN_ID, "x"):
        unknown_arguments = {**arguments, "clientAccountId": unknown_id}
        assert await refusal_codes(api, "resendClientActivation", unknown_arguments, by=bureau) == [
            ("NOT_FOUND", ["clientAccountId"])
        ]


async def test_link_stops_working_with_the_engagement_until_the_bureau_sends_another(api: Api) -> None:
    bureau = await register_bureau(api)
    client, token = await open_for_stranger(api, bureau)
    (node,) = await list_engagements(api, bureau)

    assert codes(await api.do("endEngagement", {"engagementId": node["id"]}, by=bureau)) == []

    assert await refusal_codes(api, "activate", {"token": token, "password": PASSWORD}) == LINK_DEAD
    correction = names(bureau, client, ownerEmail=EMAIL)
    assert codes(await api.do("correctClientOwner", correction, by=bureau)) == []
    payload = await activate(api, await api.link(EMAIL, "activation"))
    assert payload["viewer"] == {"currentAccount": {"id": client}}
    assert not await can_enter(api, bureau, client)
    assert await refusal_codes(api, "withdrawClientAccount", names(bureau, client), by=bureau) == NOT_FOUND


# ---- Correcting ------------------------------------------------------------------------------


async def test_corrected_address_gets_the_account_and_the_former_link_is_dead(api: Api) -> None:
    bureau = await register_bureau(api)
    client, token = await open_for_stranger(api, bureau)
    correction = names(bureau, client, ownerEmail=EMAIL, ownerName="Kim Kunde-Hansen")

    payload = await api.do("correctClientOwner", correction, "account { id status owner { name email } }", by=bureau)

    assert codes(payload) == []
    assert payload["account"] == {
        "id": client,
        "status": "PENDING_ACTIVATION",
        "owner": {"name": "Kim Kunde-Hansen", "email": EMAIL},
    }
    assert await refusal_codes(api, "activate", {"token": token, "password": PASSWORD}) == LINK_DEAD
    assert len(await mails(STRANGER, "client-activation")) == len(await mails(EMAIL, "client-activation")) == 1
    owner = await activate(api, await api.link(EMAIL, "activation"))
    assert owner["viewer"] == {"currentAccount": {"id": client}}
    assert await User.filter(email=STRANGER).count() == 0
    assert (await account_status(api, bureau, client))["viewerGrant"] == {"role": "COLLABORATOR"}
    (corrected_event,) = await events("account:client:correct")
    assert corrected_event.account_id == account_key(bureau.account_id)
    assert await refusal_codes(api, "correctClientOwner", correction, by=bureau) == NOT_WAITING


async def test_correction_is_repeated_by_its_key_with_one_mail(api: Api) -> None:
    bureau = await register_bureau(api)
    client, _ = await open_for_stranger(api, bureau)
    correction = names(bureau, client, ownerEmail=EMAIL, idempotencyKey="one")

    for _ in range(2):
        assert codes(await api.do("correctClientOwner", correction, by=bureau)) == []

    assert len(await mails(EMAIL, "client-activation")) == 1


async def test_mails_of_corrections_are_bounded(api: Api) -> None:
    bureau = await register_bureau(api)
    client, _ = await open_for_stranger(api, bureau)
    correction = names(bureau, client, ownerEmail=EMAIL)
    for _ in range(5):
        assert codes(await api.do("correctClientOwner", correction, by=bureau)) == []

    assert (await rejection(api, "correctClientOwner", correction, by=bureau)).codes == ["RATE_LIMITED"]


async def test_erased_address_can_be_corrected(api: Api) -> None:
    bureau, kim = await register_bureau(api), await api.person(EMAIL)
    client = await open_client_account(api, bureau)
    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=kim)) == []
    assert await refusal_codes(api, "resendClientActivation", names(bureau, client), by=bureau) == NOT_WAITING

    correction = names(bureau, client, ownerEmail="new@example.com", ownerName="Nina Ny")
    assert codes(await api.do("correctClientOwner", correction, by=bureau)) == []

    payload = await activate(api, await api.link("new@example.com", "activation"))
    assert payload["viewer"] == {"currentAccount": {"id": client}}


# ---- Withdrawing -----------------------------------------------------------------------------


async def test_withdrawn_account_is_closed_for_all_and_its_number_is_free(api: Api) -> None:
    bureau = await register_bureau(api)
    kari, _ = await add_staff(api, bureau, "kari@example.com")
    number = {"organizationNumber": "974760673", "country": "NO"}
    client, token = await open_for_stranger(api, bureau, **number)
    assign_input = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [client]}
    assert codes(await api.do("assignConsultant", assign_input, by=bureau)) == []

    payload = await api.do(
        "withdrawClientAccount",
        names(bureau, client),
        "engagement { status client { name } consultants { id } }",
        by=bureau,
    )

    assert codes(payload) == []
    assert payload["engagement"] == {"status": "ENDED", "client": {"name": "Kunde AS"}, "consultants": []}
    assert await refusal_codes(api, "activate", {"token": token, "password": PASSWORD}) == LINK_DEAD
    assert [await can_enter(api, person, client) for person in (bureau, kari)] == [False, False]
    assert {row.status for row in await Grant.filter(account_id=account_key(client))} == {"REVOKED"}
    assert await User.filter(email=STRANGER).count() == 0
    account = await Account.get(id=account_key(client))
    assert (account.organization_number, account.closed_at is not None) == (None, True)
    assert await refusal_codes(api, "withdrawClientAccount", names(bureau, client), by=bureau) == NOT_FOUND
    assert (
        codes(
            await api.do("createClientAccount", {**CLIENT, **number, "bureauAccountId": bureau.account_id}, by=bureau)
        )
        == []
    )


CLIENT = {"name": "Kunde AS", "ownerName": "Kim Kunde", "ownerEmail": EMAIL}


async def test_days_after_the_trial_return_to_the_bureau(api: Api) -> None:
    bureau = await register_bureau(api)
    await db.execute(
        "UPDATE accounts SET subscription_until = subscription_until + interval '100 days' WHERE id = $1",
        account_key(bureau.account_id),
    )
    client, _ = await open_for_stranger(api, bureau)
    before = (await Account.get(id=account_key(bureau.account_id))).subscription_until
    days_input = {"accountId": client, "payerAccountId": bureau.account_id, "days": 20}
    assert codes(await api.do("extendSubscription", days_input, by=bureau)) == []

    assert codes(await api.do("withdrawClientAccount", names(bureau, client), by=bureau)) == []

    assert (await Account.get(id=account_key(bureau.account_id))).subscription_until == before
    account = await Account.get(id=account_key(client))
    assert account.subscription_until == account.trial_until
    (withdrawn_event,) = await events("account:client:withdraw")
    assert '"days":20' in str(withdrawn_event.after).replace(" ", "")


async def test_account_is_withdrawn_after_the_engagement(api: Api) -> None:
    bureau = await register_bureau(api)
    client, _ = await open_for_stranger(api, bureau)
    (node,) = await list_engagements(api, bureau)
    await api.do("endEngagement", {"engagementId": node["id"]}, by=bureau)

    payload = await api.do("withdrawClientAccount", names(bureau, client), "engagement { id status }", by=bureau)

    assert payload == {"engagement": {"id": node["id"], "status": "ENDED"}, "errors": []}
    assert (await Account.get(id=account_key(client))).closed_at is not None


async def test_accounts_without_an_owner_close_with_their_bureau(api: Api) -> None:
    bureau = await register_bureau(api)
    client, token = await open_for_stranger(api, bureau, organizationNumber="974760673", country="NO")

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=bureau)) == []

    account = await Account.get(id=account_key(client))
    assert (account.organization_number, account.closed_at is not None) == (None, True)
    assert await refusal_codes(api, "activate", {"token": token, "password": PASSWORD}) == LINK_DEAD
    assert await User.filter(email=STRANGER).count() == 0


async def test_either_the_client_takes_the_account_or_the_bureau_withdraws_it(api: Api) -> None:
    bureau = await register_bureau(api)
    for number in range(4):
        email = f"kim{number}@example.com"
        client = await open_client_account(api, bureau, ownerEmail=email)
        activate_input = {"token": await api.link(email, "activation"), "password": PASSWORD}

        activation, withdrawal = await asyncio.gather(
            api.do("activate", activate_input), api.do("withdrawClientAccount", names(bureau, client), by=bureau)
        )

        is_closed = (await Account.get(id=account_key(client))).closed_at is not None
        expected_codes: Any = (LINK_DEAD, []) if is_closed else ([], NOT_WAITING)
        assert (codes(activation), codes(withdrawal)) == expected_codes


# ---- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("mutation", ["correctClientOwner", "withdrawClientAccount"])
async def test_only_the_bureau_that_opened_the_account_decides(api: Api, mutation: str) -> None:
    bureau, other_bureau = await register_bureau(api), await register_bureau(api, "other@example.com")
    clerk, _ = await add_staff(api, bureau, "clerk@example.com", "ACCOUNTANT")
    anna = await api.person("anna@example.com")
    await engage(api, bureau, anna)
    client, _ = await open_for_stranger(api, bureau)
    extra = {"ownerEmail": EMAIL} if mutation == "correctClientOwner" else {}

    async def codes_for(by: Person, account: str, client_id: str) -> Any:
        return await refusal_codes(
            api, mutation, {"bureauAccountId": account, "clientAccountId": client_id, **extra}, by=by
        )

    assert await codes_for(other_bureau, other_bureau.account_id, client) == NOT_FOUND
    assert await codes_for(other_bureau, bureau.account_id, client) == [("NOT_FOUND", ["bureauAccountId"])]
    assert await codes_for(bureau, bureau.account_id, anna.account_id) == NOT_WAITING
    for unknown_id in (UNKNOWN_ID, "x", bureau.account_id, other_bureau.account_id):
        assert await codes_for(bureau, bureau.account_id, unknown_id) == NOT_FOUND
    answer = await rejection(api, mutation, names(bureau, client, **extra), by=clerk)
    assert answer.codes == ["FORBIDDEN"]


async def test_correction_needs_an_address(api: Api) -> None:
    bureau = await register_bureau(api)
    client, _ = await open_for_stranger(api, bureau)

    correction = names(bureau, client, ownerEmail="nobody", ownerName=" ")
    assert sorted(await refusal_codes(api, "correctClientOwner", correction, by=bureau)) == [
        ("INVALID", ["ownerEmail"]),
        ("REQUIRED", ["ownerName"]),
    ]
