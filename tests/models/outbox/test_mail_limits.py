"""What may be mailed or asked of others only so often, and the links in mails, which may be guessed only so often."""

from models import throttle
from models.accounts.account import Account
from tests.api import PASSWORD, Answer, Api, codes
from tests.models.bureaus.bureau_setup import bureau
from tests.models.refusals import attempt, events, mails, rejected
from tests.models.throttle_attempts import ABROAD, LIMITED, NEW_PASSWORD, fill, outcome, sign_in

# ---- Mails, and their links -------------------------------------------------------------------


async def reset(api: Api, email: str = "anna@example.com") -> Answer:
    return await attempt(api, "requestPasswordReset", {"email": email})


async def test_five_mails_of_a_kind_go_to_an_address_a_day_and_nobody_hears_of_the_sixth(api: Api) -> None:
    await api.person("anna@example.com")
    known, unknown = [
        [(await reset(api.at(f"203.0.113.{place}"), email)).body for place in range(7)]
        for email in ("ANNA@example.com", "nobody@example.com")
    ]

    assert known == unknown == [{"data": {"requestPasswordReset": {"errors": []}}}] * 7
    assert len(await mails("anna@example.com", "password-reset")) == 5
    assert len(await events("user:password:forget")) == 10
    api.clock.forward(days=1)
    await reset(api.at(ABROAD))
    assert len(await mails("anna@example.com", "password-reset")) == 6


async def test_who_uses_up_the_resets_of_another_keeps_him_out_of_nothing(api: Api) -> None:
    """At home he has his own; elsewhere the last link in his mailbox works until the next one can come."""
    await api.person("anna@example.com")
    for _ in range(9):
        await reset(api.at(ABROAD))
    api.clock.forward(hours=23, minutes=59)
    last = await api.link("anna@example.com", "reset")
    await reset(api)
    own = await api.link("anna@example.com", "reset")
    assert own != last
    assert codes(await api.do("resetPassword", {"token": own, "password": NEW_PASSWORD})) == []

    for _ in range(9):
        await reset(api.at(ABROAD))
    api.clock.forward(minutes=2)
    await reset(api.at(ABROAD))
    api.clock.forward(hours=23)
    await reset(api.at("198.51.100.1"))
    last = await api.link("anna@example.com", "reset")
    assert codes(await api.at("198.51.100.1").do("resetPassword", {"token": last, "password": PASSWORD})) == []


async def test_the_links_before_the_last_of_a_day_work_for_an_hour(api: Api) -> None:
    await api.person("anna@example.com")
    await reset(api.at(ABROAD))
    token = await api.link("anna@example.com", "reset")
    api.clock.forward(hours=1)

    assert codes(await api.do("resetPassword", {"token": token, "password": NEW_PASSWORD})) == [
        ("TOKEN_EXPIRED", ["token"])
    ]


REGISTRATION = {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD}


async def test_five_activations_go_to_an_address_a_day_however_they_are_asked_for(api: Api) -> None:
    for place in range(4):
        await api.at(f"203.0.113.{place}").do("register", REGISTRATION)
        await api.at(f"203.0.113.{place}").do("resendActivation", {"email": "anna@example.com"})

    assert len(await mails("anna@example.com", "activation")) == 5
    assert codes(await api.do("activate", {"token": await api.link("anna@example.com", "activation")})) == [
        ("REQUIRED", ["password"])
    ]


async def test_a_registration_whose_mail_is_left_out_is_not_activated_with_anybodys_password(api: Api) -> None:
    """The link in the mailbox came for the registration before: of a stranger, maybe, or followed by one."""
    stranger = {**REGISTRATION, "password": NEW_PASSWORD}
    for _ in range(5):
        await api.at(ABROAD).do("register", stranger)
    token = await api.link("anna@example.com", "activation")
    assert codes(await api.do("register", REGISTRATION)) == []

    assert codes(await api.do("activate", {"token": token})) == [("REQUIRED", ["password"])]
    assert codes(await api.do("activate", {"token": token, "password": PASSWORD})) == []
    assert await sign_in(api) == "done"
    assert await sign_in(api.at(ABROAD), password=NEW_PASSWORD) == "INVALID_CREDENTIALS"


async def test_a_taken_address_hears_of_it_five_times_a_day(api: Api) -> None:
    await api.person("anna@example.com")
    told = [await attempt(api.at(ABROAD), "register", REGISTRATION) for _ in range(6)]

    assert [answer.body for answer in told] == [{"data": {"register": {"errors": []}}}] * 6
    assert len(await mails("anna@example.com", "address-taken")) == 4  # the fifth was his own activation


async def test_of_mails_asked_for_from_one_network_sixty_are_looked_at(api: Api) -> None:
    here = api.at(ABROAD)
    for place, mutation in enumerate(["requestPasswordReset", "resendActivation"] * 30):
        assert codes(await here.do(mutation, {"email": f"p{place}@example.com"})) == []

    answer = await rejected(here, "register", REGISTRATION)

    assert answer.codes == [LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 300
    assert outcome(await reset(api), "requestPasswordReset") == "done"


TRIED = {
    "activate": {},
    "resetPassword": {"password": NEW_PASSWORD},
    "acceptInvitation": {"name": "A B", "password": NEW_PASSWORD},
    "declineInvitation": {},
}


async def test_of_made_up_links_thirty_are_looked_up_and_right_ones_do_not_count(api: Api) -> None:
    anna = await api.person("anna@example.com")
    here = api.at(ABROAD)
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}, by=anna)
    token = await api.link("bo@example.com", "invitation")
    preview = "query ($token: String!) { invitation(token: $token) { role } }"
    for _ in range(35):
        assert (await here.ask(preview, {"token": token})).data["invitation"] == {"role": "ACCOUNTANT"}
    for place in range(6):
        for mutation, more in TRIED.items():
            found = await attempt(here, mutation, {"token": f"made up {place}", **more})
            assert outcome(found, mutation) == "TOKEN_INVALID"
        assert (await here.ask(preview, {"token": f"made up {place}"})).data["invitation"] is None

    for mutation, more in TRIED.items():
        assert (await rejected(here, mutation, {"token": token, **more})).codes == [LIMITED]
    assert (await here.ask(preview, {"token": token})).codes == [LIMITED]
    assert (await api.ask(preview, {"token": token})).data["invitation"] == {"role": "ACCOUNTANT"}


# ---- Offers and requests ---------------------------------------------------------------------


async def test_an_account_mails_fifty_offers_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = {"accountId": anna.account_id, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", {**given, "email": "p1@example.com"}, by=anna)) == []
    await fill(throttle.INVITATION, 49)
    assert codes(await api.do("inviteUser", {**given, "email": "p2@example.com"}, by=anna)) == []

    answer = await rejected(api, "inviteUser", {**given, "email": "bo@example.com"}, by=anna)

    assert answer.codes == [LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 86_400
    api.clock.forward(days=1)
    assert codes(await api.do("inviteUser", {**given, "email": "bo@example.com"}, by=anna)) == []


async def test_an_invitation_is_mailed_five_times_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}
    made = (await api.do("inviteUser", given, "invitation { id }", by=anna))["invitation"]["id"]
    for _ in range(4):
        assert codes(await api.do("resendInvitation", {"invitationId": made}, by=anna)) == []

    assert (await rejected(api, "resendInvitation", {"invitationId": made}, by=anna)).codes == [LIMITED]
    assert codes(await api.do("revokeInvitation", {"invitationId": made}, by=anna)) == []
    assert (await rejected(api, "inviteUser", given, by=anna)).codes == [LIMITED]


async def test_a_bureau_mails_the_link_of_a_client_five_times_a_day(api: Api) -> None:
    biuro = await bureau(api)
    client = {"name": "Klient", "ownerName": "Kari Li", "ownerEmail": "kari@example.com"}
    shown = "account { id }"
    done = await api.do("createClientAccount", {"bureauAccountId": biuro.account_id, **client}, shown, by=biuro)
    again = {"bureauAccountId": biuro.account_id, "clientAccountId": done["account"]["id"]}
    for _ in range(4):
        assert codes(await api.do("resendClientActivation", again, by=biuro)) == []

    assert (await rejected(api, "resendClientActivation", again, by=biuro)).codes == [LIMITED]


async def test_an_account_asks_for_fifty_engagements_a_day_there_or_not(api: Api) -> None:
    biuro = await bureau(api)
    given = {"bureauAccountId": biuro.account_id, "clientNumber": 987_654_321}
    for filled in (49, 50):
        assert codes(await api.do("engageBureau", given, by=biuro)) == []
        await fill(throttle.ENGAGEMENT, filled)

    assert (await rejected(api, "engageBureau", given, by=biuro)).codes == [LIMITED]


async def test_mails_tell_of_twenty_requests_a_day_and_the_list_of_all(api: Api) -> None:
    anna = await api.person("anna@example.com")
    (account,) = await Account.all()
    for place in range(4):
        await fill(throttle.REQUESTED, 17 + place)
        asker = await api.person(f"p{place}@example.com")
        given = {"accountNumber": account.number, "role": "ACCOUNTANT"}
        assert codes(await api.do("requestAccess", given, by=asker)) == []

    assert len(await mails(anna.email, "access-requested")) == 3
    seen = "query ($id: ID!) { account(id: $id) { accessRequests { totalCount } } }"
    assert (await api.ask(seen, {"id": anna.account_id}, by=anna)).data["account"] == {
        "accessRequests": {"totalCount": 4}
    }
