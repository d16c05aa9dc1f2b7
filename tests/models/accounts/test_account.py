"""Accounts: opening, their numbers, their settings."""

from itertools import pairwise
from typing import Any

import pytest

from database import db
from models.accounts.account import Account
from tests.api import NOWHERE, Api, Person, codes
from tests.models.refusals import events, refused, rejected

ORGANIZATION_TAKEN = [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
BANK_TAKEN = [("BANK_ACCOUNT_TAKEN", ["bankAccountNumber"])]
IBAN = "NO9386011117947"
NORWEGIAN = {"organizationNumber": "974760673", "country": "NO"}


async def create(api: Api, by: Person, **more: object) -> dict[str, Any]:
    return await api.do("createAccount", {"name": "Second", **more}, "account { id organizationNumber country }", by=by)


# ---- Opening ---------------------------------------------------------------------------------


async def test_a_user_opens_further_accounts_each_with_its_own_subscription_and_number(api: Api) -> None:
    anna = await api.person("anna@example.com")

    done = await api.do(
        "createAccount",
        {"name": "Bureau", "kind": "BUREAU"},
        "account { name kind status number owner { id } subscription { daysLeft entries { nodes { kind days } } } }",
        by=anna,
    )

    account = done["account"]
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


async def test_public_numbers_do_not_follow_one_another(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for place in range(5):
        await create(api, anna, name=f"Account {place}")

    numbers = [row.number for row in await Account.all().order_by("id")]

    assert all(abs(after - before) > 1 for before, after in pairwise(numbers))


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "a\nb", "a\u202eb"])
async def test_an_account_has_a_name_on_one_line(api: Api, name: str) -> None:
    anna = await api.person("anna@example.com")

    (found,) = await refused(api, "createAccount", {"name": name}, by=anna)

    assert found[0] in {"REQUIRED", "TOO_LONG", "INVALID"}
    assert found[1] == ["name"]


# ---- Numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
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
async def test_a_number_is_stored_in_its_plain_form(api: Api, country: str, typed: str, stored: str) -> None:
    anna = await api.person("anna@example.com")

    done = await create(api, anna, country=country, organizationNumber=typed)

    assert done["errors"] == []
    assert (done["account"]["country"], done["account"]["organizationNumber"]) == (country.upper(), stored)


@pytest.mark.parametrize(
    ("country", "typed"),
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
async def test_a_number_that_is_none_of_its_country(api: Api, country: str, typed: str) -> None:
    anna = await api.person("anna@example.com")

    given = {"name": "Second", "country": country, "organizationNumber": typed}
    assert await refused(api, "createAccount", given, by=anna) == [("INVALID", ["organizationNumber"])]


@pytest.mark.parametrize("country", ["XX", "EU", "POL", "P", "ÅÄ", "  "])
async def test_a_country_is_one(api: Api, country: str) -> None:
    anna = await api.person("anna@example.com")

    found = await refused(api, "createAccount", {"name": "Second", "country": country}, by=anna)

    assert found == [("INVALID", ["country"])]


async def test_a_number_needs_its_country(api: Api) -> None:
    anna = await api.person("anna@example.com")

    given = {"name": "Second", "organizationNumber": "974760673"}
    assert await refused(api, "createAccount", given, by=anna) == [("REQUIRED", ["country"])]


@pytest.mark.parametrize("blank", ["", None])
async def test_numbers_left_blank_are_none(api: Api, blank: str | None) -> None:
    anna = await api.person("anna@example.com")

    done = await create(api, anna, organizationNumber=blank, bankAccountNumber=blank, country=blank)

    assert done["errors"] == []
    assert (done["account"]["country"], done["account"]["organizationNumber"]) == (None, None)


@pytest.mark.parametrize("typed", ["974760673", "974 760 673", "NO974760673"])
async def test_a_number_of_another_owner_is_refused(api: Api, typed: str) -> None:
    anna, eve = await api.person("anna@example.com", **NORWEGIAN), await api.person("eve@example.com")

    given = {"name": "Second", "country": "NO", "organizationNumber": typed}
    assert await refused(api, "createAccount", given, by=eve) == ORGANIZATION_TAKEN
    moved = {"accountId": eve.account_id, "country": "NO", "organizationNumber": typed}
    assert await refused(api, "updateAccount", moved, by=eve) == ORGANIZATION_TAKEN
    assert codes(await create(api, anna, **NORWEGIAN)) == []
    assert codes(await create(api, eve, country="DE", organizationNumber="974760673")) == []


async def test_a_bank_account_of_another_owner_is_refused(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    await create(api, anna, bankAccountNumber="NO93 8601 1117 947")

    assert await refused(api, "createAccount", {"name": "S", "bankAccountNumber": IBAN}, by=eve) == BANK_TAKEN
    settings = {"accountId": eve.account_id, "bankAccountNumber": IBAN.lower()}
    assert await refused(api, "updateAccountSettings", settings, by=eve) == BANK_TAKEN
    settings = {"accountId": anna.account_id, "bankAccountNumber": IBAN}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []


async def test_a_number_is_free_when_its_last_account_lets_it_go(api: Api) -> None:
    anna, eve = await api.person("anna@example.com", **NORWEGIAN), await api.person("eve@example.com")
    second = (await create(api, anna, **NORWEGIAN))["account"]["id"]
    cleared = {"organizationNumber": None}

    await api.do("updateAccount", {"accountId": second, **cleared}, by=anna)
    assert await refused(api, "createAccount", {"name": "S", **NORWEGIAN}, by=eve) == ORGANIZATION_TAKEN
    await api.do("updateAccount", {"accountId": anna.account_id, **cleared}, by=anna)

    assert codes(await create(api, eve, **NORWEGIAN)) == []


async def test_a_bank_account_is_cleared_by_null(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    settings = {"accountId": anna.account_id, "bankAccountNumber": IBAN, "vatNumber": "SE556703748501"}
    await api.do("updateAccountSettings", settings, by=anna)

    done = await api.do(
        "updateAccountSettings",
        {"accountId": anna.account_id, "bankAccountNumber": None, "vatNumber": None},
        "account { settings { bankAccountNumber vatNumber } }",
        by=anna,
    )

    assert done["account"]["settings"] == {"bankAccountNumber": None, "vatNumber": None}
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
async def test_the_database_holds_it_past_the_code(api: Api, statement: str, constraint: str) -> None:
    anna = await api.person("anna@example.com", **NORWEGIAN)
    await api.person("eve@example.com", "Eve")
    await api.do("updateAccountSettings", {"accountId": anna.account_id, "bankAccountNumber": IBAN}, by=anna)

    with pytest.raises(Exception, match=constraint):
        await db.execute(statement)


async def test_the_refusal_says_nothing_of_the_other_account(api: Api) -> None:
    await api.person("anna@example.com", accountName="Nowak Meble", **NORWEGIAN)
    eve = await api.person("eve@example.com")

    done = await create(api, eve, **NORWEGIAN)

    assert "Nowak" not in str(done)
    assert done["errors"][0]["message"] == (
        "An account with this organization number exists. You can ask for access to it."
    )


# ---- Changing --------------------------------------------------------------------------------


async def test_what_is_left_out_stays(api: Api) -> None:
    anna = await api.person("anna@example.com", **NORWEGIAN)

    done = await api.do(
        "updateAccount",
        {"accountId": anna.account_id, "name": "Nowak Meble"},
        "account { name organizationNumber country }",
        by=anna,
    )

    assert done["account"] == {"name": "Nowak Meble", "organizationNumber": "974760673", "country": "NO"}
    (event,) = await events("account:account:update")
    assert (event.actor_role, event.before, event.after) == (
        "OWNER",
        '{"name": "Anna Nowak"}',
        '{"name": "Nowak Meble"}',
    )


async def test_a_country_does_not_go_without_its_number(api: Api) -> None:
    anna = await api.person("anna@example.com", **NORWEGIAN)

    assert await refused(api, "updateAccount", {"accountId": anna.account_id, "country": None}, by=anna) == [
        ("REQUIRED", ["country"])
    ]
    assert await refused(api, "updateAccount", {"accountId": anna.account_id, "country": "PL"}, by=anna) == [
        ("INVALID", ["organizationNumber"])
    ]


async def test_settings_are_changed_and_told(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = {
        "invoicePrefix": " NM/ ",
        "vatNumber": "556703748501",
        "defaultCurrency": "sek",
        "defaultLocale": "en",
        "paymentTermDays": 30,
        "locks": ["DOCUMENTS_DELETE"],
    }
    await api.do("updateAccount", {"accountId": anna.account_id, "country": "SE"}, by=anna)

    done = await api.do(
        "updateAccountSettings",
        {"accountId": anna.account_id, **given},
        "account { settings { invoicePrefix vatNumber defaultCurrency defaultLocale paymentTermDays locks } }",
        by=anna,
    )

    assert done["account"]["settings"] == given | {
        "invoicePrefix": "NM/",
        "vatNumber": "SE556703748501",
        "defaultCurrency": "SEK",
    }
    (event,) = await events("account:settings:update")
    assert '"locks": ["DOCUMENTS_DELETE"]' in event.after
    assert '"default_currency": "EUR"' in event.before


@pytest.mark.parametrize(
    ("given", "error"),
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
async def test_settings_that_make_no_sense(api: Api, given: dict[str, Any], error: Any) -> None:
    anna = await api.person("anna@example.com")

    found = await refused(api, "updateAccountSettings", {"accountId": anna.account_id, **given}, by=anna)

    assert found == [error]


async def test_null_for_what_cannot_be_empty_leaves_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = dict.fromkeys(
        ["invoicePrefix", "defaultCurrency", "defaultLocale", "paymentTermDays", "locks", "simpleUserRestrictions"]
    )

    assert await refused(api, "updateAccountSettings", {"accountId": anna.account_id, **given}, by=anna) == []
    assert await refused(api, "updateAccount", {"accountId": anna.account_id, "name": None}, by=anna) == []


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
@pytest.mark.parametrize("mutation", ["updateAccount", "updateAccountSettings"])
async def test_settings_are_not_for_accountants_and_simple_users(api: Api, role: str, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "bo@example.com", role)

    answer = await rejected(api, mutation, {"accountId": anna.account_id}, by=guest)

    assert answer.codes == ["FORBIDDEN"]


@pytest.mark.parametrize("mutation", ["updateAccount", "updateAccountSettings"])
async def test_an_account_of_strangers_does_not_exist(api: Api, mutation: str) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")

    for key in (anna.account_id, NOWHERE, anna.user_id, "", f"{anna.account_id}="):
        assert await refused(api, mutation, {"accountId": key}, by=eve) == [("NOT_FOUND", ["accountId"])]
