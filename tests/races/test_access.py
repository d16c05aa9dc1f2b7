"""Races between operations on invitations, grants and sessions."""

from uuid import UUID

import pytest

from auth import passwords
from database import db
from models.access.grant import Grant
from models.people.session import MAX_PER_USER, Session
from models.people.user import User
from models.sharing.invitation import Invitation
from resolvers import ids
from tests.api import PASSWORD, Api, Person
from tests.models.refusals import events
from tests.races.rounds import ROUNDS, accept, invite, outcome, outcomes, run_concurrently


async def count_live_grants(role: str | None = None) -> int:
    """The number of live grants of guests, of one role or of all."""
    grants = Grant.filter(status__in=["ACTIVE", "AWAITING_PERMISSIONS"]).exclude(role="OWNER")
    return await (grants.filter(role=role) if role else grants).count()


async def end_all() -> None:
    """End all grants of guests and all pending invitations."""
    await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")


async def register_pair(api: Api) -> tuple[Person, Person]:
    return await api.person("anna@example.com"), await api.person("bo@example.com")


async def test_concurrent_acceptances_of_one_link_create_one_grant(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email)

        payloads = await run_concurrently(accept(api, token, bo), accept(api, token, bo))

        assert outcomes(payloads) == ["ALREADY_MEMBER", "done"]
        assert await count_live_grants() == 1
        await end_all()
    assert len(await events("account:invitation:accept")) == ROUNDS


async def test_concurrent_new_logins_by_one_link_create_one_user(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for round_number in range(ROUNDS // 2):
        email = f"guest{round_number}@example.com"
        _, token = await invite(api, anna, email)
        login_input = {"name": "Bo Berg", "password": PASSWORD}

        payloads = await run_concurrently(accept(api, token, login=login_input), accept(api, token, login=login_input))

        assert outcomes(payloads) == ["TOKEN_INVALID", "done"]
        assert await User.filter(email_key=email).count() == 1
    assert await count_live_grants() == ROUNDS // 2


async def test_either_acceptance_or_revocation_succeeds(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        invitation_id, token = await invite(api, anna, bo.email)

        accept_payload, revoke_payload = await run_concurrently(
            accept(api, token, bo), api.do("revokeInvitation", {"invitationId": invitation_id}, by=anna)
        )

        result = (outcome(accept_payload), outcome(revoke_payload))
        assert result in {("done", "INVITATION_NOT_PENDING"), ("TOKEN_INVALID", "done")}
        assert await count_live_grants() == (1 if result[0] == "done" else 0)
        await end_all()


async def test_either_acceptance_or_decline_succeeds(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email)

        accept_payload, decline_payload = await run_concurrently(
            accept(api, token, bo), api.do("declineInvitation", {"token": token})
        )

        refusals = {outcome(accept_payload), outcome(decline_payload)} - {"done"}
        assert refusals == ({"TOKEN_INVALID"} if outcome(accept_payload) == "done" else {"INVITATION_NOT_PENDING"})
        assert await count_live_grants() == (1 if outcome(accept_payload) == "done" else 0)
        await end_all()


async def test_acceptance_uses_the_latest_role_of_the_invitation(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        invitation_id, token = await invite(api, anna, bo.email, "COLLABORATOR")

        accept_payload, update_payload = await run_concurrently(
            accept(api, token, bo),
            api.do("updateInvitation", {"invitationId": invitation_id, "role": "ACCOUNTANT"}, by=anna),
        )

        assert outcome(accept_payload) == "done"
        assert await count_live_grants("ACCOUNTANT" if outcome(update_payload) == "done" else "COLLABORATOR") == 1
        await end_all()


async def test_old_link_is_invalid_after_resending(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        invitation_id, token = await invite(api, anna, bo.email)

        accept_payload, resend_payload = await run_concurrently(
            accept(api, token, bo), api.do("resendInvitation", {"invitationId": invitation_id}, by=anna)
        )

        assert (outcome(accept_payload), outcome(resend_payload)) in {
            ("done", "INVITATION_NOT_PENDING"),
            ("TOKEN_INVALID", "done"),
        }
        await end_all()


async def test_concurrent_invitations_to_one_address_create_one(api: Api) -> None:
    anna, bo = await register_pair(api)
    arguments = {"accountId": anna.account_id, "email": bo.email, "role": "ACCOUNTANT"}
    for _ in range(ROUNDS):
        payloads = await run_concurrently(*(api.do("inviteUser", arguments, by=anna) for _ in range(3)))

        assert outcomes(payloads) == ["ALREADY_INVITED", "ALREADY_INVITED", "done"]
        assert await Invitation.filter(status="PENDING").count() == 1
        await end_all()


async def test_concurrent_restore_and_acceptance_leave_one_live_grant(api: Api) -> None:
    anna, bo = await register_pair(api)
    _, token = await invite(api, anna, bo.email)
    old_grant_id = (await accept(api, token, bo))["grant"]["id"]
    await end_all()
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email)

        payloads = await run_concurrently(
            accept(api, token, bo), api.do("restoreGrant", {"grantId": old_grant_id}, by=anna)
        )

        assert outcomes(payloads) == ["ALREADY_MEMBER", "done"]
        assert await count_live_grants() == 1
        await end_all()


async def test_invitation_cannot_be_accepted_after_revocation_of_inviter(api: Api) -> None:
    """Events are recorded under the account's lock, so their order is the order of the operations."""
    anna, bo = await register_pair(api)
    ada, inviter_grant_id = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    accept_count = 0
    for _ in range(ROUNDS):
        _, token = await invite(api, ada, bo.email)

        accept_payload, revoke_payload = await run_concurrently(
            accept(api, token, bo), api.do("revokeGrant", {"grantId": inviter_grant_id}, by=anna)
        )

        assert outcome(revoke_payload) == "done"
        assert outcome(accept_payload) in {"done", "ROLE_TOO_HIGH"}
        if outcome(accept_payload) == "done":
            accept_count += 1
            assert (await events("account:grant:give"))[-1].id < (await events("account:grant:revoke"))[-1].id
        await end_all()
        await api.do("restoreGrant", {"grantId": inviter_grant_id}, by=anna)
    assert await Invitation.filter(status="ACCEPTED").count() == accept_count + 1


async def test_invitation_cannot_be_accepted_after_demotion_of_inviter(api: Api) -> None:
    anna, bo = await register_pair(api)
    ada, inviter_grant_id = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    for _ in range(ROUNDS):
        _, token = await invite(api, ada, bo.email)

        accept_payload, demote_payload = await run_concurrently(
            accept(api, token, bo), api.do("updateGrant", {"grantId": inviter_grant_id, "role": "ACCOUNTANT"}, by=anna)
        )

        assert outcome(demote_payload) == "done"
        if outcome(accept_payload) == "done":
            assert (await events("account:grant:give"))[-1].id < (await events("account:grant:update"))[-1].id
        await end_all()
        await db.execute(
            "UPDATE grants SET status = 'ACTIVE', role = 'ADMINISTRATOR' WHERE user_id = $1", user_key(ada)
        )


def user_key(person: Person) -> UUID:
    return ids.decode("User", person.user_id)


async def test_ended_grant_is_not_revived_by_concurrent_update_or_resignation(api: Api) -> None:
    anna, bo = await register_pair(api)
    _, token = await invite(api, anna, bo.email)
    grant_id = (await accept(api, token, bo))["grant"]["id"]
    for round_number in range(ROUNDS):
        role = ("COLLABORATOR", "ACCOUNTANT")[round_number % 2]

        revoke_payload, update_payload, resign_payload = await run_concurrently(
            api.do("revokeGrant", {"grantId": grant_id}, by=anna),
            api.do("updateGrant", {"grantId": grant_id, "role": role}, by=anna),
            api.do("resignGrant", {"grantId": grant_id}, by=bo),
        )

        assert outcomes([revoke_payload, resign_payload]) == ["INVALID_STATE", "done"]
        assert outcome(update_payload) in {"done", "INVALID_STATE"}
        row = await Grant.get(user_id=user_key(bo), role__not="OWNER")
        assert row.status == ("REVOKED" if outcome(revoke_payload) == "done" else "RESIGNED")
        await db.execute("UPDATE grants SET status = 'ACTIVE' WHERE role <> 'OWNER'")


async def test_concurrent_sign_ins_leave_at_most_20_sessions(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await api.person("anna@example.com")
    arguments = {"email": anna.email, "password": PASSWORD}

    async def verify_without_cost(password: str, password_hash: str | None, *, client: str = "") -> bool:
        return (password, password_hash is None) == (PASSWORD, False)

    # Only two threads verify passwords, which would serialize the sign-ins.
    monkeypatch.setattr(passwords, "verify", verify_without_cost)
    for _ in range(ROUNDS // 5):
        payloads = await run_concurrently(*(api.do("signIn", arguments) for _ in range(10)))

        assert set(outcomes(payloads)) == {"done"}
        assert await Session.filter(ended_at=None).count() <= MAX_PER_USER
    assert await Session.filter(ended_at=None).count() == MAX_PER_USER


async def test_concurrent_registrations_of_one_address_create_one_user_with_one_account(api: Api) -> None:
    for round_number in range(ROUNDS // 5):
        email = f"anna{round_number}@example.com"
        arguments = {"name": "Anna Nowak", "email": email, "password": PASSWORD}

        register_payloads = await run_concurrently(*(api.do("register", arguments) for _ in range(3)))
        token = await api.link(email, "activation")
        activation = {"token": token, "password": PASSWORD}
        activate_payloads = await run_concurrently(*(api.do("activate", activation) for _ in range(2)))

        assert outcomes(register_payloads) == ["done"] * 3
        assert outcomes(activate_payloads) == ["ALREADY_ACTIVE", "done"]
    assert await User.all().count() == await Grant.filter(role="OWNER").count() == ROUNDS // 5


async def test_concurrent_requests_record_one_enter_event(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS // 5):
        api.clock.forward(hours=1)

        await run_concurrently(*(load_viewer(api, anna) for _ in range(4)))

    assert len(await events("account:account:enter")) == ROUNDS // 5


async def load_viewer(api: Api, by: Person) -> dict[str, object]:
    return (await api.ask("{ viewer { user { id } } }", by=by)).body
