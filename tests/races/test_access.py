"""Invitations and grants, when two people act on them at the same moment."""

from uuid import UUID

import pytest

from auth import passwords
from database import db
from models.access.grant import Grant
from models.people.session import MOST_PER_USER, Session
from models.people.user import User
from models.sharing.invitation import Invitation
from resolvers import ids
from tests.api import PASSWORD, Api, Person
from tests.models.refusals import events
from tests.races.racing import ROUNDS, accept, at_once, invite, outcome, outcomes


async def live(role: str | None = None) -> int:
    """How many grants of guests are live."""
    found = Grant.filter(status__in=["ACTIVE", "AWAITING_PERMISSIONS"]).exclude(role="OWNER")
    return await (found.filter(role=role) if role else found).count()


async def end_all() -> None:
    """Make room for the next round."""
    await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")


async def pair(api: Api) -> tuple[Person, Person]:
    return await api.person("anna@example.com"), await api.person("bo@example.com")


async def test_two_accepts_of_one_link_give_one_grant(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email)

        done = await at_once(accept(api, token, bo), accept(api, token, bo))

        assert outcomes(done) == ["TOKEN_INVALID", "done"]
        assert await live() == 1
        await end_all()
    assert len(await events("account:invitation:accept")) == ROUNDS


async def test_two_new_logins_by_one_link_make_one_user(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for place in range(ROUNDS // 2):
        email = f"guest{place}@example.com"
        _, token = await invite(api, anna, email)
        new = {"name": "Bo Berg", "password": PASSWORD}

        done = await at_once(accept(api, token, login=new), accept(api, token, login=new))

        assert outcomes(done) == ["TOKEN_INVALID", "done"]
        assert await User.filter(email_key=email).count() == 1
    assert await live() == ROUNDS // 2


async def test_of_accept_and_revoke_one_happens(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        key, token = await invite(api, anna, bo.email)

        accepted, revoked = await at_once(
            accept(api, token, bo), api.do("revokeInvitation", {"invitationId": key}, by=anna)
        )

        found = (outcome(accepted), outcome(revoked))
        assert found in {("done", "INVITATION_NOT_PENDING"), ("TOKEN_INVALID", "done")}
        assert await live() == (1 if found[0] == "done" else 0)
        await end_all()


async def test_of_accept_and_decline_one_happens(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email)

        accepted, declined = await at_once(accept(api, token, bo), api.do("declineInvitation", {"token": token}))

        assert outcomes([accepted, declined]) == ["TOKEN_INVALID", "done"]
        assert await live() == (1 if outcome(accepted) == "done" else 0)
        await end_all()


async def test_what_is_accepted_is_what_was_offered_last(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        key, token = await invite(api, anna, bo.email, "COLLABORATOR")

        accepted, changed = await at_once(
            accept(api, token, bo),
            api.do("updateInvitation", {"invitationId": key, "role": "ACCOUNTANT"}, by=anna),
        )

        assert outcome(accepted) == "done"
        assert await live("ACCOUNTANT" if outcome(changed) == "done" else "COLLABORATOR") == 1
        await end_all()


async def test_a_resent_link_is_the_only_one(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        key, token = await invite(api, anna, bo.email)

        accepted, resent = await at_once(
            accept(api, token, bo), api.do("resendInvitation", {"invitationId": key}, by=anna)
        )

        assert (outcome(accepted), outcome(resent)) in {
            ("done", "INVITATION_NOT_PENDING"),
            ("TOKEN_INVALID", "done"),
        }
        await end_all()


async def test_two_invitations_to_one_address_are_one(api: Api) -> None:
    anna, bo = await pair(api)
    given = {"accountId": anna.account_id, "email": bo.email, "role": "ACCOUNTANT"}
    for _ in range(ROUNDS):
        done = await at_once(*(api.do("inviteUser", given, by=anna) for _ in range(3)))

        assert outcomes(done) == ["ALREADY_INVITED", "ALREADY_INVITED", "done"]
        assert await Invitation.filter(status="PENDING").count() == 1
        await end_all()


async def test_restoring_and_accepting_anew_leave_one_live_grant(api: Api) -> None:
    anna, bo = await pair(api)
    _, token = await invite(api, anna, bo.email)
    old = (await accept(api, token, bo))["grant"]["id"]
    await end_all()
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email)

        done = await at_once(accept(api, token, bo), api.do("restoreGrant", {"grantId": old}, by=anna))

        assert outcomes(done) == ["ALREADY_MEMBER", "done"]
        assert await live() == 1
        await end_all()


async def test_an_inviter_who_is_sent_away_lets_nobody_in_afterwards(api: Api) -> None:
    """Events are written under the account's lock: their order is the order of what happened."""
    anna, bo = await pair(api)
    ada, inviter = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    let_in = 0
    for _ in range(ROUNDS):
        _, token = await invite(api, ada, bo.email)

        accepted, revoked = await at_once(accept(api, token, bo), api.do("revokeGrant", {"grantId": inviter}, by=anna))

        assert outcome(revoked) == "done"
        assert outcome(accepted) in {"done", "ROLE_TOO_HIGH"}
        if outcome(accepted) == "done":
            let_in += 1
            assert (await events("account:grant:give"))[-1].id < (await events("account:grant:revoke"))[-1].id
        await end_all()
        await api.do("restoreGrant", {"grantId": inviter}, by=anna)
    assert await Invitation.filter(status="ACCEPTED").count() == let_in + 1


async def test_an_inviter_who_is_demoted_lets_nobody_in_afterwards(api: Api) -> None:
    anna, bo = await pair(api)
    ada, inviter = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    for _ in range(ROUNDS):
        _, token = await invite(api, ada, bo.email)

        accepted, demoted = await at_once(
            accept(api, token, bo), api.do("updateGrant", {"grantId": inviter, "role": "ACCOUNTANT"}, by=anna)
        )

        assert outcome(demoted) == "done"
        if outcome(accepted) == "done":
            assert (await events("account:grant:give"))[-1].id < (await events("account:grant:update"))[-1].id
        await end_all()
        await db.execute("UPDATE grants SET status = 'ACTIVE', role = 'ADMINISTRATOR' WHERE user_id = $1", key_of(ada))


def key_of(person: Person) -> UUID:
    return ids.decode("User", person.user_id)


async def test_access_taken_back_is_not_revived_by_a_change_or_by_resigning(api: Api) -> None:
    anna, bo = await pair(api)
    _, token = await invite(api, anna, bo.email)
    key = (await accept(api, token, bo))["grant"]["id"]
    for place in range(ROUNDS):
        role = ("COLLABORATOR", "ACCOUNTANT")[place % 2]

        revoked, changed, resigned = await at_once(
            api.do("revokeGrant", {"grantId": key}, by=anna),
            api.do("updateGrant", {"grantId": key, "role": role}, by=anna),
            api.do("resignGrant", {"grantId": key}, by=bo),
        )

        assert outcomes([revoked, resigned]) == ["INVALID_STATE", "done"]
        assert outcome(changed) in {"done", "INVALID_STATE"}
        row = await Grant.get(user_id=key_of(bo), role__not="OWNER")
        assert row.status == ("REVOKED" if outcome(revoked) == "done" else "RESIGNED")
        await db.execute("UPDATE grants SET status = 'ACTIVE' WHERE role <> 'OWNER'")


async def test_of_many_sign_ins_at_once_20_sessions_are_left(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await api.person("anna@example.com")
    given = {"email": anna.email, "password": PASSWORD}

    async def at_no_cost(password: str, hashed: str | None) -> bool:
        return (password, hashed is None) == (PASSWORD, False)

    # Two threads check passwords: the sign-ins would come one after the other.
    monkeypatch.setattr(passwords, "verify", at_no_cost)
    for _ in range(ROUNDS // 5):
        done = await at_once(*(api.do("signIn", given) for _ in range(10)))

        assert set(outcomes(done)) == {"done"}
        assert await Session.filter(ended_at=None).count() <= MOST_PER_USER
    assert await Session.filter(ended_at=None).count() == MOST_PER_USER


async def test_registrations_of_one_address_at_once_make_one_user_with_one_account(api: Api) -> None:
    for place in range(ROUNDS // 5):
        email = f"anna{place}@example.com"
        given = {"name": "Anna Nowak", "email": email, "password": PASSWORD}

        done = await at_once(*(api.do("register", given) for _ in range(3)))
        token = await api.link(email, "activation")
        activated = await at_once(*(api.do("activate", {"token": token}) for _ in range(2)))

        assert outcomes(done) == ["done"] * 3
        assert outcomes(activated) == ["TOKEN_INVALID", "done"]
    assert await User.all().count() == await Grant.filter(role="OWNER").count() == ROUNDS // 5


async def test_requests_at_once_note_one_entry(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS // 5):
        api.clock.forward(hours=1)

        await at_once(*(ask(api, anna) for _ in range(4)))

    assert len(await events("account:account:enter")) == ROUNDS // 5


async def ask(api: Api, by: Person) -> dict[str, object]:
    return (await api.ask("{ viewer { user { id } } }", by=by)).body
