"""Rate limits for mails, for requests to other accounts, and for guesses of the tokens in mails."""

from models import throttle
from models.accounts.account import Account
from models.outbox import mail_limit
from tests.api import PASSWORD, Api, Response, codes
from tests.models.bureaus.bureau_setup import register_bureau
from tests.models.refusals import attempt, events, mails, rejection
from tests.models.throttle_attempts import ABROAD, NEW_PASSWORD, RATE_LIMITED, fill, outcome, sign_in

# ---- Mails, and their links -------------------------------------------------------------------


async def reset(api: Api, email: str = "anna@example.com") -> Response:
    return await attempt(api, "requestPasswordReset", {"email": email})


async def test_sixth_reset_mail_of_a_day_is_dropped_silently(api: Api) -> None:
    await api.person("anna@example.com")
    bodies, unknown_bodies = [
        [(await reset(api.at(f"203.0.113.{host}"), email)).body for host in range(7)]
        for email in ("ANNA@example.com", "unknown@example.com")
    ]

    assert bodies == unknown_bodies == [{"data": {"requestPasswordReset": {"errors": []}}}] * 7
    assert len(await mails("anna@example.com", "password-reset")) == 5
    assert len(await events("user:password:forget")) == 10
    api.clock.forward(days=1)
    await reset(api.at(ABROAD))
    assert len(await mails("anna@example.com", "password-reset")) == 6


async def test_used_up_resets_do_not_lock_out_the_owner_of_the_address(api: Api) -> None:
    """On the trusted network the limit is separate. Elsewhere the last link works until the next mail is allowed."""
    await api.person("anna@example.com")
    for _ in range(9):
        await reset(api.at(ABROAD))
    api.clock.forward(hours=23, minutes=59)
    last = await api.link("anna@example.com", "reset")
    await reset(api)
    home_link = await api.link("anna@example.com", "reset")
    assert home_link != last
    assert codes(await api.do("resetPassword", {"token": home_link, "password": NEW_PASSWORD})) == []

    for _ in range(9):
        await reset(api.at(ABROAD))
    api.clock.forward(minutes=2)
    await reset(api.at(ABROAD))
    api.clock.forward(hours=23)
    await reset(api.at("198.51.100.1"))
    last = await api.link("anna@example.com", "reset")
    assert codes(await api.at("198.51.100.1").do("resetPassword", {"token": last, "password": PASSWORD})) == []


async def test_earlier_reset_links_of_a_day_work_for_an_hour(api: Api) -> None:
    await api.person("anna@example.com")
    await reset(api.at(ABROAD))
    token = await api.link("anna@example.com", "reset")
    api.clock.forward(hours=1)

    assert codes(await api.do("resetPassword", {"token": token, "password": NEW_PASSWORD})) == [
        ("TOKEN_EXPIRED", ["token"])
    ]


REGISTRATION = {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD}


async def test_address_gets_five_activation_mails_a_day(api: Api) -> None:
    for host in range(4):
        await api.at(f"203.0.113.{host}").do("register", REGISTRATION)
        await api.at(f"203.0.113.{host}").do("resendActivation", {"email": "anna@example.com"})

    assert len(await mails("anna@example.com", "activation")) == 5
    assert codes(await api.do("activate", {"token": await api.link("anna@example.com", "activation")})) == [
        ("REQUIRED", ["password"])
    ]


async def test_activation_without_own_mail_requires_the_password_again(api: Api) -> None:
    """The pending password belongs to an earlier registration, which may be a stranger's."""
    stranger = {**REGISTRATION, "password": NEW_PASSWORD}
    for _ in range(5):
        await api.at(ABROAD).do("register", stranger)
    token = await api.link("anna@example.com", "activation")
    assert codes(await api.do("register", REGISTRATION)) == []

    assert codes(await api.do("activate", {"token": token})) == [("REQUIRED", ["password"])]
    assert codes(await api.do("activate", {"token": token, "password": PASSWORD})) == []
    assert await sign_in(api) == "done"
    assert await sign_in(api.at(ABROAD), password=NEW_PASSWORD) == "INVALID_CREDENTIALS"


async def test_registered_address_gets_five_mails_a_day(api: Api) -> None:
    await api.person("anna@example.com")
    answers = [await attempt(api.at(ABROAD), "register", REGISTRATION) for _ in range(6)]

    assert [answer.body for answer in answers] == [{"data": {"register": {"errors": []}}}] * 6
    assert (
        len(await mails("anna@example.com", "address-taken")) == 4
    )  # the fifth mail was the activation of the address itself


async def test_network_can_request_sixty_mails(api: Api) -> None:
    client = api.at(ABROAD)
    for index, mutation in enumerate(["requestPasswordReset", "resendActivation"] * 30):
        assert codes(await client.do(mutation, {"email": f"p{index}@example.com"})) == []

    answer = await rejection(client, "register", REGISTRATION)

    assert answer.codes == [RATE_LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 300
    assert outcome(await reset(api), "requestPasswordReset") == "done"


TOKEN_MUTATIONS = {
    "activate": {},
    "resetPassword": {"password": NEW_PASSWORD},
    "acceptInvitation": {"name": "A B", "password": NEW_PASSWORD},
    "declineInvitation": {},
}


async def test_thirty_unknown_tokens_are_looked_up_and_valid_ones_do_not_count(api: Api) -> None:
    anna = await api.person("anna@example.com")
    client = api.at(ABROAD)
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}, by=anna)
    token = await api.link("bo@example.com", "invitation")
    preview = "query ($token: String!) { invitation(token: $token) { role } }"
    for _ in range(35):
        assert (await client.ask(preview, {"token": token})).data["invitation"] == {"role": "ACCOUNTANT"}
    for index in range(6):
        for mutation, arguments in TOKEN_MUTATIONS.items():
            answer = await attempt(client, mutation, {"token": f"made up {index}", **arguments})
            assert outcome(answer, mutation) == "TOKEN_INVALID"
        assert (await client.ask(preview, {"token": f"made up {index}"})).data["invitation"] is None

    for mutation, arguments in TOKEN_MUTATIONS.items():
        assert (await rejection(client, mutation, {"token": token, **arguments})).codes == [RATE_LIMITED]
    assert (await client.ask(preview, {"token": token})).codes == [RATE_LIMITED]
    assert (await api.ask(preview, {"token": token})).data["invitation"] == {"role": "ACCOUNTANT"}


# ---- Offers and requests ---------------------------------------------------------------------


async def test_account_sends_fifty_offers_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    arguments = {"accountId": anna.account_id, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", {**arguments, "email": "p1@example.com"}, by=anna)) == []
    await fill(mail_limit.NEW.account_offers, 49)
    assert codes(await api.do("inviteUser", {**arguments, "email": "p2@example.com"}, by=anna)) == []

    answer = await rejection(api, "inviteUser", {**arguments, "email": "bo@example.com"}, by=anna)

    assert answer.codes == [RATE_LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 86_400
    api.clock.forward(days=1)
    assert codes(await api.do("inviteUser", {**arguments, "email": "bo@example.com"}, by=anna)) == []


async def test_invitation_is_mailed_five_times_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    arguments = {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}
    invitation_id = (await api.do("inviteUser", arguments, "invitation { id }", by=anna))["invitation"]["id"]
    for _ in range(4):
        assert codes(await api.do("resendInvitation", {"invitationId": invitation_id}, by=anna)) == []

    assert (await rejection(api, "resendInvitation", {"invitationId": invitation_id}, by=anna)).codes == [RATE_LIMITED]
    assert codes(await api.do("revokeInvitation", {"invitationId": invitation_id}, by=anna)) == []
    assert (await rejection(api, "inviteUser", arguments, by=anna)).codes == [RATE_LIMITED]


async def test_bureau_mails_client_link_five_times_a_day(api: Api) -> None:
    biuro = await register_bureau(api)
    client = {"name": "Klient", "ownerName": "Kari Li", "ownerEmail": "kari@example.com"}
    selection = "account { id }"
    payload = await api.do("createClientAccount", {"bureauAccountId": biuro.account_id, **client}, selection, by=biuro)
    again = {"bureauAccountId": biuro.account_id, "clientAccountId": payload["account"]["id"]}
    for _ in range(4):
        assert codes(await api.do("resendClientActivation", again, by=biuro)) == []

    assert (await rejection(api, "resendClientActivation", again, by=biuro)).codes == [RATE_LIMITED]


async def test_account_requests_fifty_engagements_a_day_of_known_and_unknown_clients(api: Api) -> None:
    biuro = await register_bureau(api)
    arguments = {"bureauAccountId": biuro.account_id, "clientNumber": 987_654_321}
    for count in (49, 50):
        assert codes(await api.do("engageBureau", arguments, by=biuro)) == []
        await fill(mail_limit.NEW.account_engagements, count)

    assert (await rejection(api, "engageBureau", arguments, by=biuro)).codes == [RATE_LIMITED]


async def test_twenty_access_requests_a_day_are_mailed_and_all_are_listed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    (account,) = await Account.all()
    for index in range(4):
        await fill(throttle.ACCESS_REQUEST, 17 + index)
        asker = await api.person(f"p{index}@example.com")
        arguments = {"accountNumber": account.number, "role": "ACCOUNTANT"}
        assert codes(await api.do("requestAccess", arguments, by=asker)) == []

    assert len(await mails(anna.email, "access-requested")) == 3
    query = "query ($id: ID!) { account(id: $id) { accessRequests { totalCount } } }"
    assert (await api.ask(query, {"id": anna.account_id}, by=anna)).data["account"] == {
        "accessRequests": {"totalCount": 4}
    }
