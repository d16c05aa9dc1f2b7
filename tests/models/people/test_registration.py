"""Registration of users."""

import unicodedata
from typing import Any

import pytest

from database import db
from models.people.user import User
from tests.api import Api, codes, count_rows
from tests.models.people.logins import NEW_PASSWORD, WRONG_CREDENTIALS, activate, registration_input, sign_in
from tests.models.refusals import mails, refusal_codes, state
from tests.resolvers.statements import record_statements

REGISTRATION_TABLES = ("users", "accounts", "grants", "organization_numbers", "trials")

# ---- Registration ----------------------------------------------------------------------------


async def test_registration_opens_one_account_with_the_users_name(api: Api) -> None:
    owner = await api.person("anna@example.com")

    response = await api.ask(
        "{ viewer { currentGrant { role } accounts { totalCount nodes { name status owner { id } } } } }", by=owner
    )

    assert response.data["viewer"] == {
        "currentGrant": {"role": "OWNER"},
        "accounts": {
            "totalCount": 1,
            "nodes": [{"name": "Anna Nowak", "status": "ACTIVE", "owner": {"id": owner.user_id}}],
        },
    }


async def test_registration_can_name_the_account(api: Api) -> None:
    owner = await api.person("anna@example.com", accountName="Nowak Meble")

    response = await api.ask("{ viewer { user { name } currentAccount { name } } }", by=owner)

    assert response.data["viewer"] == {"user": {"name": "Anna Nowak"}, "currentAccount": {"name": "Nowak Meble"}}


async def test_taken_address_answers_like_a_free_one_and_its_owner_gets_a_mail(api: Api) -> None:
    free_outcome = await api.do("register", registration_input())
    await activate(api)
    before = await state()

    taken_outcome = await api.do(
        "register", registration_input(email="ANNA@example.com", password=NEW_PASSWORD, name="Eve")
    )

    after = await state()
    assert taken_outcome == free_outcome
    assert after.pop("counts") == await count_rows()
    before.pop("counts")
    assert after == before
    assert [mail.to_name for mail in await mails("anna@example.com", "address-taken")] == ["Anna Nowak"]


async def test_taken_organization_number_does_not_reveal_a_taken_address(api: Api) -> None:
    number = {"organizationNumber": "974760673", "country": "NO"}
    await api.person("anna@example.com", **number)

    free_outcome = await refusal_codes(api, "register", registration_input(email="bo@example.com", **number))
    taken_outcome = await refusal_codes(api, "register", registration_input(**number))

    assert free_outcome == taken_outcome == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]


async def test_second_registration_changes_nothing_and_closes_no_link(api: Api) -> None:
    arguments = registration_input(accountName="First", locale="pl", organizationNumber="974760673", country="NO")
    payload = await api.do("register", arguments, "registrationSecret")
    token = await api.link("anna@example.com", "activation")
    rows = [await db.fetch(f"SELECT t FROM {table} t ORDER BY 1", row=db.Row) for table in REGISTRATION_TABLES]

    stranger = registration_input(email="ANNA@example.com", password=NEW_PASSWORD, name="Eve", accountName="Second")
    assert codes(await api.do("register", {**stranger, "organizationNumber": "923609016", "country": "NO"})) == []

    assert rows == [await db.fetch(f"SELECT t FROM {table} t ORDER BY 1", row=db.Row) for table in REGISTRATION_TABLES]
    assert len(await mails("anna@example.com", "activation")) == 2
    selection = "viewer { user { name locale } accounts { nodes { name organizationNumber } } }"
    activation = {"token": token, "registrationSecret": payload["registrationSecret"]}
    assert (await api.do("activate", activation, selection))["viewer"] == {
        "user": {"name": "Anna Nowak", "locale": "pl"},
        "accounts": {"nodes": [{"name": "First", "organizationNumber": "974760673"}]},
    }
    assert codes(await sign_in(api)) == []
    assert codes(await sign_in(api, NEW_PASSWORD)) == WRONG_CREDENTIALS


async def test_number_of_a_later_registration_stays_free(api: Api) -> None:
    number = {"organizationNumber": "974760673", "country": "NO"}
    await api.do("register", registration_input())
    await api.do("register", registration_input(**number))

    await api.person("bo@example.com", **number)

    assert await refusal_codes(api, "register", registration_input(**number)) == [
        ("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])
    ]


async def test_registrations_of_new_pending_and_taken_addresses_do_the_same_work(
    api: Api,
) -> None:
    await api.person("taken@example.com")
    await api.do("register", registration_input(email="pending@example.com"))
    statement_counts: list[int] = []
    payloads: list[dict[str, Any]] = []
    for email in ("new@example.com", "pending@example.com", "taken@example.com"):
        with record_statements() as statements:
            payloads.append(await api.do("register", registration_input(email=email), "registrationSecret"))
        statement_counts.append(len(statements))

    assert len(set(statement_counts)) == 1
    assert statement_counts[0] > 10
    assert [(len(payload["registrationSecret"]), payload["errors"]) for payload in payloads] == [(43, [])] * 3
    assert len({payload["registrationSecret"] for payload in payloads}) == 3


async def test_refused_registration_has_no_secret(api: Api) -> None:
    payload = await api.do("register", registration_input(password="short"), "registrationSecret")

    assert payload["registrationSecret"] is None


async def test_all_input_errors_are_reported_at_once(api: Api) -> None:
    arguments = {"name": " ", "email": "nobody", "password": "short", "organizationNumber": "1", "locale": "xx"}

    error_codes = await refusal_codes(api, "register", arguments)

    assert error_codes == [
        ("REQUIRED", ["name"]),
        ("INVALID", ["email"]),
        ("TOO_SHORT", ["password"]),
        ("REQUIRED", ["country"]),
        ("INVALID", ["locale"]),
    ]


@pytest.mark.parametrize(
    "name",
    ["", "  ", "Anna\nNowak", "Anna\u202enowaK", "Anna\u200bNowak", "\u200e", "A\u2028B", "A\u061cB"],
)
async def test_name_has_to_be_one_visible_line(api: Api, name: str) -> None:
    error_codes = await refusal_codes(api, "register", registration_input(name=name, accountName="Nowak"))

    assert error_codes in ([("REQUIRED", ["name"])], [("INVALID", ["name"])])


async def test_name_has_at_most_200_characters(api: Api) -> None:
    assert await refusal_codes(api, "register", registration_input(name="a" * 201, accountName="N")) == [
        ("TOO_LONG", ["name"])
    ]
    assert (await api.do("register", registration_input(name="a" * 200, accountName="N")))["errors"] == []


@pytest.mark.parametrize("blank", ["", None])
async def test_blank_organization_number_counts_as_none(api: Api, blank: str | None) -> None:
    payload = await api.do("register", registration_input(organizationNumber=blank, country=blank))

    assert payload["errors"] == []


# ---- Addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered_email", "entered_email"),
    [
        ("Anna@Example.com", "aNNA@eXAMPLE.COM"),
        ("zoë@example.com", unicodedata.normalize("NFD", "ZOË@example.com")),
        ("anna@bücher.example.com", "anna@XN--BCHER-KVA.example.com"),
        ("anna@example.com", "  anna@example.com "),
    ],
)
async def test_address_forms_belong_to_one_login(api: Api, registered_email: str, entered_email: str) -> None:
    await api.do("register", registration_input(email=registered_email))
    row = await User.get()
    await activate(api, email=row.email)

    assert codes(await sign_in(api, email=entered_email)) == []
    await api.do("register", registration_input(email=entered_email))
    assert await User.all().count() == 1


@pytest.mark.parametrize(
    ("address", "folded_address"),
    [
        ("anna@straße.de", "anna@strasse.de"),
        ("groß@example.com", "gross@example.com"),
        ("ofﬁce@example.com", "office@example.com"),
        ("νίκος@example.com", "νίκοσ@example.com"),
    ],
)
async def test_addresses_that_only_case_fold_alike_are_two_mailboxes(
    api: Api, address: str, folded_address: str
) -> None:
    owner = await api.person("owner@example.com")
    guest = await api.person(address)
    invitation = {"accountId": owner.account_id, "email": folded_address, "role": "ACCOUNTANT"}
    assert (await api.do("inviteUser", invitation, by=owner))["errors"] == []

    query = "{ viewer { invitations { nodes { email } } } }"
    assert (await api.ask(query, by=guest)).data == {"viewer": {"invitations": {"nodes": []}}}
    invited_guest = await api.person(folded_address)

    assert (await api.ask(query, by=invited_guest)).data["viewer"]["invitations"]["nodes"] == [
        {"email": folded_address}
    ]
    assert await User.all().count() == 3
