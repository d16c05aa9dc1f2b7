"""The release of the registered numbers of abandoned registrations."""

from typing import Any

from database import db
from tests.api import PASSWORD, Api, codes
from tests.models.refusals import events, refusal_codes
from tests.models.scheduled.job_runs import run_jobs

NIP = {"country": "PL", "organizationNumber": "5260250274"}


def registration(email: str) -> dict[str, Any]:
    return {"name": "Nils Ny", "email": email, "password": PASSWORD, **NIP}


async def test_abandoned_registration_releases_its_number(api: Api) -> None:
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    api.clock.forward(hours=23, minutes=59)
    assert await run_jobs(api) == {}

    api.clock.forward(minutes=1)

    assert await run_jobs(api) == {"abandoned numbers given free": 1}
    (event,) = [row for row in await events("account:account:update") if row.actor_id is None]
    assert event.before is not None


async def test_new_link_keeps_the_number(api: Api) -> None:
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    api.clock.forward(hours=20)
    assert codes(await api.do("resendActivation", {"email": "nils@example.com"})) == []
    api.clock.forward(hours=20)

    assert await run_jobs(api) == {}


async def test_registration_without_number_can_still_be_activated_with_new_link(api: Api) -> None:
    assert codes(await api.do("register", registration("nils@example.com"))) == []
    api.clock.forward(days=2)
    assert await run_jobs(api) == {"abandoned numbers given free": 1}
    assert codes(await api.do("resendActivation", {"email": "nils@example.com"})) == []

    token = await api.link("nils@example.com", "activation")
    selection = "viewer { currentAccount { organizationNumber country status } }"
    payload = await api.do("activate", {"token": token, "password": PASSWORD}, selection)

    expected_account = {"organizationNumber": None, "country": "PL", "status": "ACTIVE"}
    assert payload["viewer"]["currentAccount"] == expected_account


async def test_active_and_bureau_opened_accounts_keep_their_numbers(api: Api) -> None:
    await api.person("anna@example.com", **NIP)
    register_input = {**registration("nils@example.com"), "organizationNumber": "1132853869"}
    assert codes(await api.do("register", register_input)) == []
    await db.execute("UPDATE accounts SET created_by_bureau_id = id WHERE activated_at IS NULL")
    api.clock.forward(days=2)

    assert await run_jobs(api) == {}


async def test_registration_response_does_not_reveal_taken_address(api: Api) -> None:
    """The response about the number must not depend on whether the address is taken."""
    anna = await api.person("anna@example.com", **NIP)
    for email in (anna.email, "new@example.com"):
        error_codes = await refusal_codes(api, "register", registration(email))
        assert error_codes == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
    assert (
        codes(await api.do("updateAccount", {"accountId": anna.account_id, "organizationNumber": None}, by=anna)) == []
    )

    for email in (anna.email, "new@example.com"):
        assert codes(await api.do("register", registration(email))) == []


async def test_number_of_a_registration_belongs_to_the_last_one(api: Api) -> None:
    """A registration has proved nothing, so it keeps no number from others. An active account keeps its number."""
    for email in ("nils@example.com", "eva@example.com"):
        assert codes(await api.do("register", registration(email))) == []
    rows = await db.fetch(
        "SELECT u.email FROM accounts a JOIN users u ON u.id = a.owner_id WHERE a.organization_number IS NOT NULL",
        row=db.Row,
    )
    assert [row.email for row in rows] == ["eva@example.com"]

    activation = {"token": await api.link("eva@example.com", "activation"), "password": PASSWORD}
    assert codes(await api.do("activate", activation)) == []

    error_codes = await refusal_codes(api, "register", registration("nils@example.com"))
    assert error_codes == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
