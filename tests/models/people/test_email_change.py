"""Changes of the e-mail address of a login: request, confirmation, cancelation and undo."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from auth import tokens
from database import db
from models import throttle
from models.outbox import block
from models.outbox.message_kind import Lane, MessageKind
from models.people import email_change
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.authenticator import enable_second_factor
from tests.models.people.logins import INVALID_LINK, NEW_PASSWORD, WRONG_CREDENTIALS, activate, registration_input
from tests.models.refusals import attempt, events, mails, refusal_codes, rejection
from tests.models.throttle_attempts import RATE_LIMITED, WRONG, count_attempts, outcome
from tests.resolvers.statements import record_statements

OLD, NEW, THIRD = "anna@example.com", "anna@new.example.com", "anna@third.example.com"
VIEWER = "{ viewer { user { email } emailChange { email createdAt expiresAt } } }"


async def request(api: Api, person: Person, new_email: str = NEW, password: str = PASSWORD) -> dict[str, Any]:
    """Ask for a change of the address. Returns the payload."""
    change = {"newEmail": new_email, "password": password}
    return await api.do("changeEmail", change, "viewer { emailChange { email } }", by=person)


async def confirm(api: Api, new_email: str = NEW, by: Person | None = None) -> dict[str, Any]:
    """Follow the newest link to a new address."""
    return await api.do("confirmEmailChange", {"token": await api.link(new_email, "email-change")}, "email", by=by)


async def change(api: Api, person: Person, new_email: str = NEW) -> None:
    """Change the address of a user."""
    assert codes(await request(api, person, new_email)) == []
    assert codes(await confirm(api, new_email)) == []


async def sign_in(api: Api, email: str, password: str = PASSWORD) -> list[tuple[str, list[str] | None]]:
    return codes(await api.do("signIn", {"email": email, "password": password}))


async def email_of(api: Api, person: Person) -> str | None:
    """The address of a signed-in user. None if the session has ended."""
    viewer = (await api.ask("{ viewer { user { email } } }", by=person)).data["viewer"]
    return None if viewer is None else str(viewer["user"]["email"])


# ---- The way of a change -----------------------------------------------------------------------


async def test_change_moves_the_login_and_keeps_grants_sessions_and_history(api: Api) -> None:
    anna = await api.person(OLD)
    host = await api.person("host@example.com", "Host")
    guest_grant = {"accountId": host.account_id, "email": OLD, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", guest_grant, by=host)) == []
    token = await api.link(OLD, "invitation")
    assert codes(await api.do("acceptInvitation", {"token": token}, by=anna)) == []
    other_session = await api.sign_in(anna)

    assert codes(await request(api, anna)) == []
    assert (await email_of(api, anna)) == OLD
    payload = await confirm(api)

    assert (payload["email"], codes(payload)) == (NEW, [])
    assert [await email_of(api, person) for person in (anna, other_session)] == [NEW, NEW]
    assert await sign_in(api, OLD) == WRONG_CREDENTIALS
    assert await sign_in(api, NEW) == []
    viewer = (await api.ask("{ viewer { user { id } accounts { nodes { id } } } }", by=anna)).data["viewer"]
    assert viewer["user"]["id"] == anna.user_id
    assert {node["id"] for node in viewer["accounts"]["nodes"]} == {anna.account_id, host.account_id}
    (event,) = await events("user:email:change")
    assert (event.before, event.after) == ('{"email": "anna@example.com"}', '{"email": "anna@new.example.com"}')


async def test_pending_change_is_shown_to_the_viewer_and_canceled(api: Api) -> None:
    anna = await api.person(OLD)
    assert codes(await request(api, anna)) == []

    viewer = (await api.ask(VIEWER, by=anna)).data["viewer"]

    assert viewer["user"] == {"email": OLD}
    assert viewer["emailChange"]["email"] == NEW
    assert codes(await api.do("cancelEmailChange", None, by=anna)) == []
    assert (await api.ask(VIEWER, by=anna)).data["viewer"]["emailChange"] is None
    token = await api.link(NEW, "email-change")
    assert await refusal_codes(api, "confirmEmailChange", {"token": token}) == INVALID_LINK
    assert await refusal_codes(api, "cancelEmailChange", None, by=anna) == [("INVALID_STATE", None)]
    assert [event.type for event in await events("user:email:change-cancel")] == ["user:email:change-cancel"]


async def test_later_change_replaces_a_pending_one(api: Api) -> None:
    anna = await api.person(OLD)
    await request(api, anna)
    first_token = await api.link(NEW, "email-change")

    payload = await request(api, anna, THIRD)

    assert payload["viewer"]["emailChange"] == {"email": THIRD}
    assert await refusal_codes(api, "confirmEmailChange", {"token": first_token}) == INVALID_LINK
    assert codes(await confirm(api, THIRD)) == []


async def test_link_expires_and_works_once(api: Api) -> None:
    anna = await api.person(OLD)
    await request(api, anna)
    token = await api.link(NEW, "email-change")
    api.clock.forward(hours=24)
    assert await refusal_codes(api, "confirmEmailChange", {"token": token}) == [("TOKEN_EXPIRED", ["token"])]
    assert (await api.ask(VIEWER, by=anna)).data["viewer"]["emailChange"] is None
    await change(api, anna)
    stranger = await api.person("stranger@example.com")
    token = await api.link(NEW, "email-change")

    outcomes = [
        await refusal_codes(api, "confirmEmailChange", {"token": token}, by=by) for by in (None, stranger, anna)
    ]

    assert outcomes == [INVALID_LINK, INVALID_LINK, [("INVALID_STATE", ["token"])]]


@pytest.mark.parametrize("purpose", ["confirmEmailChange", "undoEmailChange"])
async def test_links_of_other_purposes_do_not_work(api: Api, purpose: str) -> None:
    anna = await api.person(OLD)
    await api.do("requestPasswordReset", {"email": OLD})
    reset = await api.link(OLD, "reset")
    await request(api, anna)
    change_token = await api.link(NEW, "email-change")

    assert await refusal_codes(api, purpose, {"token": reset}) == INVALID_LINK
    assert await refusal_codes(api, "resetPassword", {"token": change_token, "password": NEW_PASSWORD}) == INVALID_LINK
    if purpose == "undoEmailChange":
        assert await refusal_codes(api, purpose, {"token": change_token}) == INVALID_LINK


async def test_open_links_to_the_former_address_close(api: Api) -> None:
    anna = await api.person(OLD)
    await request(api, anna)
    await api.do("requestPasswordReset", {"email": OLD})
    reset = await api.link(OLD, "reset")

    await confirm(api)

    assert await refusal_codes(api, "resetPassword", {"token": reset, "password": NEW_PASSWORD}) == INVALID_LINK
    before = len(await mails(OLD, "password-reset"))
    await api.do("requestPasswordReset", {"email": OLD})
    await api.do("requestPasswordReset", {"email": NEW})
    assert (len(await mails(OLD, "password-reset")), len(await mails(NEW, "password-reset"))) == (before, 1)


async def test_invitations_follow_the_address(api: Api) -> None:
    anna = await api.person(OLD)
    host = await api.person("host@example.com", "Host")
    for email in (OLD, NEW):
        await api.do("inviteUser", {"accountId": host.account_id, "email": email, "role": "ACCOUNTANT"}, by=host)
    document = "{ viewer { invitations { nodes { email } } } }"
    assert (await api.ask(document, by=anna)).data["viewer"]["invitations"]["nodes"] == [{"email": OLD}]

    await change(api, anna)

    nodes = (await api.ask(document, by=anna)).data["viewer"]["invitations"]["nodes"]
    assert nodes == [{"email": NEW}]


async def test_new_password_closes_a_pending_change_and_no_undo_link(api: Api) -> None:
    anna = await api.person(OLD)
    await change(api, anna)
    await request(api, anna, THIRD)
    token = await api.link(THIRD, "email-change")

    await api.do("changePassword", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, by=anna)

    assert await refusal_codes(api, "confirmEmailChange", {"token": token}) == INVALID_LINK
    undo = await api.do("undoEmailChange", {"token": await api.link(OLD, "email-undo")}, "email")
    assert (undo["email"], codes(undo)) == (OLD, [])


# ---- Refusals and limits -----------------------------------------------------------------------


async def test_change_needs_the_password_and_counts_wrong_ones(api: Api) -> None:
    anna = await api.person(OLD)

    outcomes = [
        outcome(await attempt(api, "changeEmail", {"newEmail": NEW, "password": WRONG}, by=anna), "changeEmail")
        for _ in range(throttle.PASSWORD.max_attempts + 1)
    ]

    assert outcomes == ["INVALID_CREDENTIALS"] * throttle.PASSWORD.max_attempts + [RATE_LIMITED]
    assert await mails(NEW, "email-change") == []


@pytest.mark.parametrize("address", ["", "anna", "anna@", "ANNA@example.com", OLD])
async def test_invalid_or_present_address_is_refused(api: Api, address: str) -> None:
    anna = await api.person(OLD)

    error_codes = await refusal_codes(api, "changeEmail", {"newEmail": address, "password": PASSWORD}, by=anna)

    assert error_codes == [("INVALID", ["newEmail"])]


async def test_change_of_a_user_with_a_second_factor_needs_a_recent_code(api: Api) -> None:
    anna = await api.person(OLD)
    await enable_second_factor(api, anna)
    api.clock.forward(minutes=11)

    error_codes = await refusal_codes(api, "changeEmail", {"newEmail": NEW, "password": PASSWORD}, by=anna)

    assert error_codes == [("REAUTHENTICATION_REQUIRED", None)]


async def test_changes_a_day_are_limited(api: Api) -> None:
    anna = await api.person(OLD)
    for number in range(throttle.EMAIL_CHANGE.max_attempts):
        assert codes(await request(api, anna, f"new{number}@example.com")) == []

    response = await rejection(api, "changeEmail", {"newEmail": NEW, "password": PASSWORD}, by=anna)

    assert response.codes == [RATE_LIMITED]
    api.clock.forward(days=1)
    assert codes(await request(api, anna)) == []


# ---- Taken addresses ---------------------------------------------------------------------------


async def test_taken_address_has_the_same_answer_and_statements(api: Api) -> None:
    """The owner of the address gets a mail. The viewer sees the same pending change, whose link was never mailed."""
    anna = await api.person(OLD)
    await api.person("taken@example.com", "Owner")
    document = """mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) {
        errors { code } viewer { emailChange { createdAt expiresAt } } } }"""
    responses: list[object] = []
    for address in ("first@example.com", "free@example.com", "taken@example.com"):
        with record_statements() as statements:
            answer = await api.ask(document, {"input": {"newEmail": address, "password": PASSWORD}}, by=anna)
        responses.append((answer.body, answer.status, statements))

    assert responses[1] == responses[2]
    (mail,) = await mails("taken@example.com", "email-change-taken")
    assert (mail.link_seed, mail.lane) == (None, Lane.ORDINARY)
    assert await mails("taken@example.com", "email-change") == []
    (free_mail,) = await mails("free@example.com", "email-change")
    assert free_mail.lane == mail.lane
    sql = "SELECT purpose, count(*)::int AS count FROM user_tokens GROUP BY 1 HAVING purpose = 'email-change'"
    assert [row.count for row in await db.fetch(sql, row=db.Row)] == [3]


async def test_taken_address_counts_as_a_free_one(api: Api) -> None:
    anna = await api.person(OLD)
    await api.person("taken@example.com", "Owner")
    kinds = ("email-change", "offer", "invitation", "invitation:to", "offer:to:new", "mail:all", "mail:all:account")
    counts: list[list[int]] = []
    for address in ("free@example.com", "taken@example.com"):
        before = [await count_attempts(kind) for kind in kinds]
        await request(api, anna, address)
        counts.append([await count_attempts(kind) - count for kind, count in zip(kinds, before, strict=True)])

    assert counts[0] == counts[1] == [1] * len(kinds)


async def test_user_who_sends_many_changes_takes_no_mails_of_others(api: Api) -> None:
    """Mails of a user without an account are counted for that user, and not for all of them together."""
    anna, bo = await api.person(OLD), await api.person("bo@example.com")
    await request(api, anna, "free@example.com")
    await request(api, bo, "free2@example.com")

    sql = "SELECT max(cardinality(tried))::int AS count FROM guesses WHERE kind = 'invitation'"
    (row,) = await db.fetch(sql, row=db.Row)

    assert row.count == 1


async def test_receiver_can_stop_mails_about_changes(api: Api) -> None:
    anna = await api.person(OLD)
    blockable = block.Blockable(MessageKind.EMAIL_CHANGE, block.subject(KEY, NEW))
    await blockable.add(api.clock.now)

    assert codes(await request(api, anna)) == []

    assert [mail.status for mail in await mails(NEW, "email-change")] == ["FAILED"]


async def test_address_that_was_registered_meanwhile_is_refused(api: Api) -> None:
    anna = await api.person(OLD)
    await request(api, anna)
    bo = await api.person(NEW, "Bo Berg")
    token = await api.link(NEW, "email-change")

    error_codes = await refusal_codes(api, "confirmEmailChange", {"token": token})

    assert error_codes == [("ALREADY_EXISTS", ["token"])]
    assert [await email_of(api, person) for person in (anna, bo)] == [OLD, NEW]


async def test_registration_without_activation_keeps_no_address_from_its_owner(api: Api) -> None:
    """A stranger registers the address and never proves it. The registration becomes a placeholder."""
    anna = await api.person(OLD)
    await api.do("register", registration_input(email=NEW, name="Stranger"))
    activation = await api.link(NEW, "activation")

    await change(api, anna)

    assert await email_of(api, anna) == NEW
    error_codes = await refusal_codes(api, "activate", {"token": activation, "password": NEW_PASSWORD})
    assert error_codes == [("SIGN_IN_REQUIRED", None)]
    assert await sign_in(api, NEW, NEW_PASSWORD) == WRONG_CREDENTIALS
    await api.do("register", registration_input(email=OLD, name="Bo Berg"))
    assert codes(await activate(api, email=OLD)) == []


async def test_link_of_an_erased_user_does_not_work(api: Api) -> None:
    anna = await api.person(OLD)
    await change(api, anna)
    await request(api, anna, THIRD)
    link_tokens = {"confirmEmailChange": (THIRD, "email-change"), "undoEmailChange": (OLD, "email-undo")}
    tokens_by_mutation = {name: await api.link(*where) for name, where in link_tokens.items()}

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=anna)) == []

    for mutation, token in tokens_by_mutation.items():
        assert await refusal_codes(api, mutation, {"token": token}) == INVALID_LINK


# ---- Undo --------------------------------------------------------------------------------------


async def test_undo_ends_what_a_thief_may_have(api: Api) -> None:
    anna = await api.person(OLD)
    thief = await api.sign_in(anna)
    await change(api, thief)
    await enable_second_factor(api, thief)
    await change(api, thief, THIRD)
    await request(api, thief, "fourth@example.com")
    second_undo, pending_token = await api.link(NEW, "email-undo"), await api.link("fourth@example.com", "email-change")

    payload = await api.do("undoEmailChange", {"token": await api.link(OLD, "email-undo")}, "email")

    assert (payload["email"], codes(payload)) == (OLD, [])
    assert [await email_of(api, person) for person in (anna, thief)] == [None, None]
    assert await refusal_codes(api, "undoEmailChange", {"token": second_undo}) == INVALID_LINK
    assert await refusal_codes(api, "confirmEmailChange", {"token": pending_token}) == INVALID_LINK
    assert await sign_in(api, OLD) == WRONG_CREDENTIALS
    assert len(await mails(THIRD, "email-taken-back")) == 1
    reset = {"token": await api.link(OLD, "reset"), "password": NEW_PASSWORD}
    assert codes(await api.do("resetPassword", reset)) == []
    assert await sign_in(api, OLD, NEW_PASSWORD) == []
    assert len(await events("user:email:undo")) == 1
    assert len(await events("user:second-factor:disable")) == 1


async def test_undo_keeps_a_second_factor_from_before_the_change(api: Api) -> None:
    anna = await api.person(OLD)
    await enable_second_factor(api, anna)
    api.clock.forward(minutes=1)
    await change(api, anna)

    assert codes(await api.do("undoEmailChange", {"token": await api.link(OLD, "email-undo")})) == []

    sql = "SELECT FROM second_factors WHERE confirmed_at IS NOT NULL"
    assert len(await db.fetch(sql, row=db.Row)) == 1


async def test_undo_link_expires_after_seven_days(api: Api) -> None:
    anna = await api.person(OLD)
    await change(api, anna)
    token = await api.link(OLD, "email-undo")
    api.clock.forward(days=7)

    assert await refusal_codes(api, "undoEmailChange", {"token": token}) == [("TOKEN_EXPIRED", ["token"])]
    assert timedelta(days=7) == email_change.UNDO_LIFETIME


async def test_undo_is_refused_while_the_former_address_has_a_login(api: Api) -> None:
    anna = await api.person(OLD)
    await change(api, anna)
    bo = await api.person(OLD, "Other")
    token = await api.link(OLD, "email-undo")
    assert await refusal_codes(api, "undoEmailChange", {"token": token}) == [("ALREADY_EXISTS", ["token"])]

    await change(api, bo, THIRD)

    payload = await api.do("undoEmailChange", {"token": token}, "email")
    assert (payload["email"], codes(payload)) == (OLD, [])


async def test_return_to_the_former_address_settles_its_undo_link(api: Api) -> None:
    anna = await api.person(OLD)
    await change(api, anna)
    token = await api.link(OLD, "email-undo")
    await change(api, anna, OLD)

    assert await refusal_codes(api, "undoEmailChange", {"token": token}) == INVALID_LINK
    assert codes(await api.do("undoEmailChange", {"token": await api.link(NEW, "email-undo")}, "email")) == []


# ---- The database ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET email_key = 'thief@example.com' WHERE id = $1",
        "UPDATE users SET email = 'thief@example.com' WHERE id = $1",
        "UPDATE users SET email_key = 'STAND-IN ' || id, activated_at = NULL WHERE id = $1",
    ],
)
async def test_role_of_the_server_changes_no_address_without_a_link(api: Api, statement: str) -> None:
    anna = await api.person(OLD)
    key = ids.decode("User", anna.user_id)

    with pytest.raises(asyncpg.RaiseError, match="the address of user"):
        await db.execute(statement, key)
    for write in ("DELETE FROM former_addresses", "INSERT INTO former_addresses VALUES ($1, '', '', NULL, now())"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(write, *([key] if "$1" in write else []))


@pytest.mark.parametrize("link_purpose", ["email-change", "email-undo", "reset", "activation"])
async def test_database_demands_the_token_of_an_open_link(api: Api, link_purpose: str) -> None:
    anna = await api.person(OLD)
    await api.do("requestPasswordReset", {"email": OLD})
    await request(api, anna)
    sql = "SELECT is_taken FROM change_address($1, $2, $3)"
    token = await api.link(NEW, "email-change")
    wrong_tokens = [tokens.random_token(), tokens.digest(token).hex(), await api.link(OLD, "reset")]

    for wrong_token in wrong_tokens:
        assert await db.fetch(sql, wrong_token, link_purpose, api.clock.now, row=db.Row) == []
    expired_at = api.clock.now + timedelta(hours=24)
    assert await db.fetch(sql, token, link_purpose, expired_at, row=db.Row) == []
    rows = await db.fetch(sql, token, link_purpose, api.clock.now, row=db.Row)
    assert len(rows) == (1 if link_purpose == "email-change" else 0)
