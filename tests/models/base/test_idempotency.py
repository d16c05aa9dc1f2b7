"""Idempotency keys: whom they belong to, what uses them up, and what is stored of an input."""

import asyncio
from typing import Any

from database import db
from models.base import idempotency
from resolvers import ids
from tests.api import PASSWORD, Api, codes
from tests.models.audit.test_upgrade import migrate
from tests.models.bureaus.bureau_setup import add_staff, engage, register_bureau
from tests.models.bureaus.client_accounts import EMAIL, client_input
from tests.models.refusals import mails, refusal_codes
from tests.models.scheduled.job_runs import delete_old_rows
from tests.resolvers.statements import record_statements

KEY_REUSE = [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


async def create(api: Api, by: Any, **fields: object) -> Any:
    payload = await api.do("createAccount", {"name": "Second", **fields}, "account { id }", by=by)
    assert payload["errors"] == []
    return payload["account"]["id"]


async def stored_keys() -> list[Any]:
    return await db.fetch("SELECT * FROM idempotency_keys ORDER BY created_at, part", row=db.Row)


async def test_double_click_opens_one_client_account_and_sends_one_mail(api: Api) -> None:
    beata = await register_bureau(api)
    values = client_input(beata, idempotencyKey="click")

    payloads = await asyncio.gather(*(api.do("createClientAccount", values, "account { id }", by=beata) for _ in "ab"))

    assert payloads[0] == payloads[1]
    assert payloads[0]["errors"] == []
    assert len(await mails(EMAIL, "client-activation")) == 1
    assert len(await db.fetch("SELECT FROM accounts WHERE name = 'Kunde AS'", row=db.Row)) == 1


async def test_key_belongs_to_one_user_and_one_mutation(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    first = await create(api, anna, idempotencyKey="k")

    assert await create(api, anna, idempotencyKey="k") == first
    assert await create(api, bo, idempotencyKey="k") != first
    invitation = {"accountId": first, "email": "eva@example.com", "role": "ACCOUNTANT", "idempotencyKey": "k"}
    assert codes(await api.do("inviteUser", invitation, by=anna)) == []


async def test_null_and_an_omitted_field_are_the_same_input(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await create(api, anna, idempotencyKey="k") == await create(api, anna, idempotencyKey="k", country=None)
    assert await create(api, anna, idempotencyKey=None) != await create(api, anna)


async def test_refusal_releases_the_key_even_for_another_input(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "email": "nonsense", "role": "ACCOUNTANT", "idempotencyKey": "k"}

    assert await refusal_codes(api, "inviteUser", values, by=anna) == [("INVALID", ["email"])]
    assert codes(await api.do("inviteUser", values | {"email": "eva@example.com"}, by=anna)) == []
    assert await refusal_codes(api, "inviteUser", values, by=anna) == KEY_REUSE


async def test_invalid_key_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")

    for key, code in (("", "REQUIRED"), ("k" * 201, "TOO_LONG"), ("a\nb", "INVALID")):
        values = {"name": "Second", "idempotencyKey": key}
        assert await refusal_codes(api, "createAccount", values, by=anna) == [(code, ["idempotencyKey"])]


async def test_wrong_passwords_and_codes_count_with_a_key(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": "wrong", "idempotencyKey": "k"}
    voucher = {"accountId": anna.account_id, "code": "22222-22222-22222-22222", "idempotencyKey": "k"}
    for mutation, values, code in (
        ("transferOwnership", offer, "INVALID_CREDENTIALS"),
        ("redeemVoucher", voucher, "VOUCHER_INVALID"),
    ):
        for _ in range(10):
            assert [code for code, _ in codes(await api.do(mutation, values, by=anna))] == [code]

        name = mutation[0].upper() + mutation[1:]
        document = f"mutation ($i: {name}Input!) {{ {mutation}(input: $i) {{ errors {{ code }} }} }}"
        assert (await api.ask(document, {"i": values}, by=anna)).codes == ["RATE_LIMITED"]


async def test_password_is_not_part_of_the_stored_input(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD, "idempotencyKey": "k"}

    first = await api.do("transferOwnership", offer, "transfer { id }", by=anna)

    # The digest is the same for every password, so no password can be tried on it.
    assert await api.do("transferOwnership", offer | {"password": "x"}, "transfer { id }", by=anna) == first
    assert len(await mails(bo.email, "ownership-offered")) == 1


async def test_mutation_without_a_key_sends_no_statement_about_keys(api: Api) -> None:
    anna = await api.person("anna@example.com")
    with record_statements() as plain_statements:
        _ = await create(api, anna)
    with record_statements() as keyed_statements:
        _ = await create(api, anna, idempotencyKey="k")

    assert not [statement for statement in plain_statements if "idempotency_keys" in statement]
    assert len([statement for statement in keyed_statements if "idempotency_keys" in statement]) == 2
    with record_statements() as repeat_statements:
        _ = await create(api, anna, idempotencyKey="k")
    assert len([statement for statement in repeat_statements if "idempotency_keys" in statement]) == 1


async def test_key_in_a_view_as_request_is_not_used_up(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = "mutation ($i: CreateAccountInput!) { createAccount(input: $i) { errors { code } } }"
    headers = {"X-View-As": "role:ACCOUNTANT"}

    response = await api.ask(
        document, {"i": {"name": "A", "idempotencyKey": "k"}}, by=anna, account=anna.account_id, headers=headers
    )

    assert response.errors
    assert await stored_keys() == []


async def test_old_key_is_deleted_by_the_job(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await create(api, anna, idempotencyKey="k")
    api.clock.forward(hours=24)
    _ = await delete_old_rows(api)
    assert len(await stored_keys()) == 1

    api.clock.now += idempotency.RETENTION
    _ = await delete_old_rows(api)

    assert await stored_keys() == []


# ---- Operations in parts ---------------------------------------------------------------------


async def test_repeat_for_many_clients_returns_those_that_are_done_and_does_the_others(api: Api) -> None:
    beata = await register_bureau(api)
    cy, _ = await add_staff(api, beata, "cy@example.com")
    clients = [await api.person(f"client{n}@example.com") for n in range(2)]
    _ = await engage(api, beata, clients[0])
    values = {
        "bureauAccountId": beata.account_id,
        "userId": cy.user_id,
        "clientAccountIds": [client.account_id for client in clients],
        "idempotencyKey": "k",
    }
    selection = "outcomes { clientAccountId grant { id } errors { code } }"
    first = (await api.do("assignConsultant", values, selection, by=beata))["outcomes"]
    assert [[error["code"] for error in outcome["errors"]] for outcome in first] == [[], ["NOT_FOUND"]]
    _ = await engage(api, beata, clients[1])

    second = (await api.do("assignConsultant", values, selection, by=beata))["outcomes"]

    assert second[0] == first[0]
    assert second[1]["errors"] == []
    assert len(await db.fetch("SELECT FROM grants WHERE engagement_id IS NOT NULL", row=db.Row)) == 2


async def test_repeated_replacement_returns_the_clients_that_have_moved(api: Api) -> None:
    beata = await register_bureau(api)
    cy, _ = await add_staff(api, beata, "cy@example.com")
    di, _ = await add_staff(api, beata, "di@example.com")
    client = await api.person("client@example.com")
    _ = await engage(api, beata, client)
    assignment = {"bureauAccountId": beata.account_id, "userId": cy.user_id, "clientAccountIds": [client.account_id]}
    assert codes(await api.do("assignConsultant", assignment, by=beata)) == []
    values = {"bureauAccountId": beata.account_id, "fromUserId": cy.user_id, "toUserId": di.user_id}
    empty = {**values, "fromUserId": di.user_id, "toUserId": cy.user_id, "idempotencyKey": "k"}
    assert await refusal_codes(api, "replaceConsultant", empty, by=beata) == [("INVALID_STATE", ["fromUserId"])]
    keyed_values, selection = values | {"idempotencyKey": "k"}, "outcomes { clientAccountId grant { id } }"

    payloads = await asyncio.gather(*(api.do("replaceConsultant", keyed_values, selection, by=beata) for _ in "ab"))

    assert payloads[0]["outcomes"][0]["grant"] is not None
    assert payloads[1] == payloads[0]
    assert await api.do("replaceConsultant", keyed_values, selection, by=beata) == payloads[0]


# ---- Migration -------------------------------------------------------------------------------


async def test_keys_of_former_transfers_stay_valid_down_and_up(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    second = await create(api, anna, idempotencyKey="account")
    await db.execute("UPDATE accounts SET subscription_until = subscription_until + interval '99 days'")
    values = {"accountId": second, "payerAccountId": anna.account_id, "days": 10, "idempotencyKey": "k"}
    first = await api.do("extendSubscription", values, "entry { id }", by=anna)
    assert first["errors"] == []

    await migrate(database_url, "models.0019_email_keys")
    (row,) = await db.fetch("SELECT key, entry_id FROM idempotency_keys", row=db.Row)
    assert (row.key, ids.encode("SubscriptionEntry", row.entry_id)) == ("k", first["entry"]["id"])
    await migrate(database_url, None)

    assert await api.do("extendSubscription", values, "entry { id }", by=anna) == first
    assert await refusal_codes(api, "extendSubscription", values | {"days": 11}, by=anna) == KEY_REUSE
