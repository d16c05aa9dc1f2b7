"""Accounts: opening, registered numbers and settings."""

from itertools import pairwise
from typing import Any

import pytest

from database import db
from models.accounts.account import Account
from tests.api import UNKNOWN_ID, Api, Person, codes
from tests.models.refusals import events, refusal_codes, rejection

ORGANIZATION_TAKEN = [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
BANK_TAKEN = [("BANK_ACCOUNT_TAKEN", ["bankAccountNumber"])]
IBAN = "NO9386011117947"
NORWEGIAN = {"organizationNumber": "974760673", "country": "NO"}


async def create(api: Api, by: Person, **arguments: object) -> dict[str, Any]:
    return await api.do(
        "createAccount", {"name": "Second", **arguments}, "account { id organizationNumber country }", by=by
    )


# ---- Opening ---------------------------------------------------------------------------------


async def test_further_account_has_its_own_subscription_and_number(api: Api) -> None:
    anna = await api.person("anna@example.com")

    payload = await api.do(
        "createAccount",
        {"name": "Bureau", "kind": "BUREAU"},
        "account { name kind status number owner { id } subscription { daysLeft entries { nodes { kind days } } } }",
        by=anna,
    )

    account = payload["account"]
    first = (await api.ask("{ viewer { currentAccount { number } } }", by=anna)).data["viewer"]["currentAccount"]
    numbers = {account.pop("number"), first["number"]}
    assert account == {
        "name": "Bureau",
        "kind": "BUREAU",
        "status": "ACTIVE",
        "owner": {"id": anna.user_id},
        "subscription": {"daysLeft": 30, "entries": {"nodes": [{"kind": "TRIAL", "days": 30}]}},
    }
    assert len(numbers) == 2
    assert all(10_000_000 <= number <= 99_999_999 for number in numbers)


async def test_account_numbers_are_not_consecutive(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for index in range(5):
        await create(api, anna, name=f"Account {index}")

    numbers = [row.number for row in await Account.all().order_by("id")]

    assert all(abs(after - before) > 1 for before, after in pairwise(numbers))


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "a\nb", "a\u202eb"])
async def test_invalid_account_name_is_rejected(api: Api, name: str) -> None:
    anna = await api.person("anna@example.com")

    (error,) = await refusal_codes(api, "createAccount", {"name": name}, by=anna)

    assert error[0] in {"REQUIRED", "TOO_LONG", "INVALID"}
    assert error[1] == ["name"]


# ---- Numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "number", "stored_number"),
    [
        ("PL", "526-025-02-74", "5260250274"),
        ("PL", "PL 5260250274", "5260250274"),
        ("FR", "732 829 320", "732829320"),
        ("NO", "974 760 673", "974760673"),
        ("no", "974760673", "974760673"),
        ("IT", "IT 00743110157", "00743110157"),
        ("SE", "556703-7485", "5567037485"),
        ("DE", "hrb 12345", "HRB12345"),
    ],
)
async def test_organization_number_is_stored_in_normal_form(
    api: Api, country: str, number: str, stored_number: str
) -> None:
    anna = await api.person("anna@example.com")

    payload = await create(api, anna, country=country, organizationNumber=number)

    assert payload["errors"] == []
    assert (payload["account"]["country"], payload["account"]["organizationNumber"]) == (country.upper(), stored_number)


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("PL", "5260250275"),
        ("PL", "526025027"),
        ("FR", "732829321"),
        ("NO", "974760674"),
        ("NO", "5260250274"),
        ("IT", "00743110158"),
        ("SE", "5567037486"),
        ("SE", "556703748"),
        ("PL", "' OR 1=1 --"),
        ("NO", "974760673\u0660"),
        ("DE", "%"),
        ("DE", "1"),
        ("DE", "1" * 21),
        ("NO", "x" * 9000),
    ],
)
async def test_invalid_organization_number_is_rejected(api: Api, country: str, number: str) -> None:
    anna = await api.person("anna@example.com")

    arguments = {"name": "Second", "country": country, "organizationNumber": number}
    assert await refusal_codes(api, "createAccount", arguments, by=anna) == [("INVALID", ["organizationNumber"])]


@pytest.mark.parametrize("country", ["XX", "EU", "POL", "P", "ÅÄ", "  "])
async def test_unknown_country_is_rejected(api: Api, country: str) -> None:
    anna = await api.person("anna@example.com")

    error_codes = await refusal_codes(api, "createAccount", {"name": "Second", "country": country}, by=anna)

    assert error_codes == [("INVALID", ["country"])]


async def test_organization_number_needs_a_country(api: Api) -> None:
    anna = await api.person("anna@example.com")

    arguments = {"name": "Second", "organizationNumber": "974760673"}
    assert await refusal_codes(api, "createAccount", arguments, by=anna) == [("REQUIRED", ["country"])]


@pytest.mark.parametrize("blank", ["", None])
async def test_blank_numbers_are_stored_as_null(api: Api, blank: str | None) -> None:
    anna = await api.person("anna@example.com")

    payload = await create(api, anna, organizationNumber=blank, bankAccountNumber=blank, country=blank)

    assert payload["errors"] == []
    assert (payload["account"]["country"], payload["account"]["organizationNumber"]) == (None, None)


@pytest.mark.parametrize("number", ["974760673", "974 760 673", "NO974760673"])
async def test_organization_number_of_another_owner_is_rejected(api: Api, number: str) -> None:
    anna, eve = await api.person("anna@example.com", **NORWEGIAN), await api.person("eve@example.com")

    arguments = {"name": "Second", "country": "NO", "organizationNumber": number}
    assert await refusal_codes(api, "createAccount", arguments, by=eve) == ORGANIZATION_TAKEN
    update_arguments = {"accountId": eve.account_id, "country": "NO", "organizationNumber": number}
    assert await refusal_codes(api, "updateAccount", update_arguments, by=eve) == ORGANIZATION_TAKEN
    assert codes(await create(api, anna, **NORWEGIAN)) == []
    assert codes(await create(api, eve, country="DE", organizationNumber="974760673")) == []


async def test_bank_account_of_another_owner_is_rejected(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    await create(api, anna, bankAccountNumber="NO93 8601 1117 947")

    assert await refusal_codes(api, "createAccount", {"name": "S", "bankAccountNumber": IBAN}, by=eve) == BANK_TAKEN
    settings = {"accountId": eve.account_id, "bankAccountNumber": IBAN.lower()}
    assert await refusal_codes(api, "updateAccountSettings", settings, by=eve) == BANK_TAKEN
    settings = {"accountId": anna.account_id, "bankAccountNumber": IBAN}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []


async def test_number_is_released_with_its_last_account(api: Api) -> None:
    anna, eve = await api.person("anna@example.com", **NORWEGIAN), await api.person("eve@example.com")
    second_id = (await create(api, anna, **NORWEGIAN))["account"]["id"]
    no_number = {"organizationNumber": None}

    await api.do("updateAccount", {"accountId": second_id, **no_number}, by=anna)
    assert await refusal_codes(api, "createAccount", {"name": "S", **NORWEGIAN}, by=eve) == ORGANIZATION_TAKEN
    await api.do("updateAccount", {"accountId": anna.account_id, **no_number}, by=anna)

    assert codes(await create(api, eve, **NORWEGIAN)) == []


async def test_null_removes_and_releases_the_bank_account(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    settings = {"accountId": anna.account_id, "bankAccountNumber": IBAN, "vatNumber": "SE556703748501"}
    await api.do("updateAccountSettings", settings, by=anna)

    payload = await api.do(
        "updateAccountSettings",
        {"accountId": anna.account_id, "bankAccountNumber": None, "vatNumber": None},
        "account { settings { bankAccountNumber vatNumber } }",
        by=anna,
    )

    assert payload["account"]["settings"] == {"bankAccountNumber": None, "vatNumber": None}
    assert codes(await create(api, eve, bankAccountNumber=IBAN)) == []


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            "UPDATE accounts SET country = 'NO', organization_number = '974760673' WHERE name = 'Eve'",
            "accounts_organization_of_owner",
        ),
        (f"UPDATE accounts SET bank_account_number = '{IBAN}' WHERE name = 'Eve'", "accounts_bank_account_of_owner"),
        ("UPDATE organization_numbers SET owner_id = (SELECT id FROM users WHERE name = 'Eve')", "of_owner"),
        ("DELETE FROM organization_numbers", "accounts_organization_of_owner"),
        ("DELETE FROM bank_accounts", "accounts_bank_account_of_owner"),
        ("UPDATE accounts SET country = NULL WHERE name = 'Anna Nowak'", "accounts_organization_has_country"),
        ("UPDATE accounts SET number = 12345678", "accounts_number"),
        ("UPDATE accounts SET number = 99999", "accounts_number_check"),
    ],
)
async def test_database_enforces_number_rules(api: Api, statement: str, constraint: str) -> None:
    anna = await api.person("anna@example.com", **NORWEGIAN)
    await api.person("eve@example.com", "Eve")
    await api.do("updateAccountSettings", {"accountId": anna.account_id, "bankAccountNumber": IBAN}, by=anna)

    with pytest.raises(Exception, match=constraint):
        await db.execute(statement)


async def test_refusal_reveals_nothing_about_the_other_account(api: Api) -> None:
    await api.person("anna@example.com", accountName="Nowak Meble", **NORWEGIAN)
    eve = await api.person("eve@example.com")

    payload = await create(api, eve, **NORWEGIAN)

    assert "Nowak" not in str(payload)
    assert payload["errors"][0]["message"] == (
        "An account with this organization number exists. You can ask for access to it."
    )


# ---- Changing --------------------------------------------------------------------------------


async def test_omitted_arguments_change_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com", **NORWEGIAN)

    payload = await api.do(
        "updateAccount",
        {"accountId": anna.account_id, "name": "Nowak Meble"},
        "account { name organizationNumber country }",
        by=anna,
    )

    assert payload["account"] == {"name": "Nowak Meble", "organizationNumber": "974760673", "country": "NO"}
    (event,) = await events("account:account:update")
    assert (event.actor_role, event.before, event.after) == (
        "OWNER",
        '{"name": "Anna Nowak"}',
        '{"name": "Nowak Meble"}',
    )


async def test_country_cannot_change_without_its_number(api: Api) -> None:
    anna = await api.person("anna@example.com", **NORWEGIAN)

    assert await refusal_codes(api, "updateAccount", {"accountId": anna.account_id, "country": None}, by=anna) == [
        ("REQUIRED", ["country"])
    ]
    assert await refusal_codes(api, "updateAccount", {"accountId": anna.account_id, "country": "PL"}, by=anna) == [
        ("INVALID", ["organizationNumber"])
    ]


async def test_settings_update_is_stored_and_recorded(api: Api) -> None:
    anna = await api.person("anna@example.com")
    arguments = {
        "invoicePrefix": " NM/ ",
        "vatNumber": "556703748501",
        "defaultCurrency": "sek",
        "defaultLocale": "en",
        "paymentTermDays": 30,
        "locks": ["DOCUMENTS_DELETE"],
    }
    await api.do("updateAccount", {"accountId": anna.account_id, "country": "SE"}, by=anna)

    payload = await api.do(
        "updateAccountSettings",
        {"accountId": anna.account_id, **arguments},
        "account { settings { invoicePrefix vatNumber defaultCurrency defaultLocale paymentTermDays locks } }",
        by=anna,
    )

    assert payload["account"]["settings"] == arguments | {
        "invoicePrefix": "NM/",
        "vatNumber": "SE556703748501",
        "defaultCurrency": "SEK",
    }
    (event,) = await events("account:settings:update")
    assert '"locks": ["DOCUMENTS_DELETE"]' in event.after
    assert '"default_currency": "EUR"' in event.before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"paymentTermDays": -1}, ("OUT_OF_RANGE", ["paymentTermDays"])),
        ({"paymentTermDays": 366}, ("OUT_OF_RANGE", ["paymentTermDays"])),
        ({"defaultCurrency": "XYZ"}, ("INVALID", ["defaultCurrency"])),
        ({"defaultLocale": "tlh"}, ("INVALID", ["defaultLocale"])),
        ({"vatNumber": "SE1"}, ("INVALID", ["vatNumber"])),
        ({"bankAccountNumber": "NO9386011117948"}, ("INVALID", ["bankAccountNumber"])),
        ({"bankAccountNumber": "' OR 1=1 --"}, ("INVALID", ["bankAccountNumber"])),
        ({"invoicePrefix": "x" * 21}, ("TOO_LONG", ["invoicePrefix"])),
        ({"invoicePrefix": "a\nb"}, ("INVALID", ["invoicePrefix"])),
        ({"requiresTwoFactor": True}, ("TWO_FACTOR_REQUIRED", ["requiresTwoFactor"])),
    ],
)
async def test_invalid_settings_are_rejected(api: Api, arguments: dict[str, Any], error: Any) -> None:
    anna = await api.person("anna@example.com")

    error_codes = await refusal_codes(
        api, "updateAccountSettings", {"accountId": anna.account_id, **arguments}, by=anna
    )

    assert error_codes == [error]


async def test_null_for_required_settings_changes_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    arguments = dict.fromkeys(
        ["invoicePrefix", "defaultCurrency", "defaultLocale", "paymentTermDays", "locks", "simpleUserRestrictions"]
    )

    assert await refusal_codes(api, "updateAccountSettings", {"accountId": anna.account_id, **arguments}, by=anna) == []
    assert await refusal_codes(api, "updateAccount", {"accountId": anna.account_id, "name": None}, by=anna) == []


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
@pytest.mark.parametrize("mutation", ["updateAccount", "updateAccountSettings"])
async def test_accountants_and_simple_users_cannot_change_settings(api: Api, role: str, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "bo@example.com", role)

    answer = await rejection(api, mutation, {"accountId": anna.account_id}, by=guest)

    assert answer.codes == ["FORBIDDEN"]


@pytest.mark.parametrize("mutation", ["updateAccount", "updateAccountSettings"])
async def test_foreign_account_is_not_found(api: Api, mutation: str) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")

    for key in (anna.account_id, UNKNOWN_ID, anna.user_id, "", f"{anna.account_id}="):
        assert await refusal_codes(api, mutation, {"accountId": key}, by=eve) == [("NOT_FOUND", ["accountId"])]
