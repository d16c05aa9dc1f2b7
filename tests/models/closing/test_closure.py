"""The end of an account that its owner closed: at its date, whether or not the job has run."""

from datetime import timedelta

import pytest
from asyncpg.exceptions import RaiseError

from auth.policy import GrantStatus
from database import db
from models.access.grant import Grant
from models.accounts.account import Account
from models.base.errors import Forbidden
from models.billing import subscription
from models.bureaus.engagement import Engagement
from models.live.stream_state import StreamKey, load_states
from models.scheduled import jobs
from models.sharing.access_request import AccessRequest
from models.sharing.invitation import Invitation
from models.sharing.ownership import OwnershipTransfer
from resolvers import ids
from tests.api import PASSWORD, Api, codes
from tests.conftest import execute_outside_transaction
from tests.models.bureaus.bureau_setup import (
    account_number,
    assign_with_permissions,
    can_enter,
    engage,
    list_engagements,
    register_bureau,
    register_trio,
    request_by_bureau,
)
from tests.models.bureaus.client_accounts import EMAIL, account_key, open_client_account
from tests.models.closing.closing_setup import close, operator, wait_for_closing
from tests.models.refusals import events, mails, refusal_codes, subjects
from tests.models.sharing.invitations import invite, load_preview
from tests.schema.world import key

NUMBER = {"country": "PL", "organizationNumber": "5260250274"}
NOT_FOUND = [("NOT_FOUND", ["accountId"])]
FAIL_AT_SECOND_ENGAGEMENT = """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM engagements WHERE status = 'ENDED') > 1 THEN RAISE EXCEPTION 'failed'; END IF;
    RETURN NULL; END $$"""
FAIL = "CREATE TRIGGER fail AFTER UPDATE ON engagements FOR EACH ROW EXECUTE FUNCTION fail()"


# ---- By the date, before the job -------------------------------------------------------------


@pytest.mark.parametrize("with_job", [False, True])
async def test_closed_account_is_gone_for_all_users_from_its_date(api: Api, *, with_job: bool) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak", **NUMBER)
    bo, grant_id = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await invite(api, anna, email="kim@example.com")
    token = await api.link("kim@example.com", "invitation")
    await close(api, anna)
    api.clock.forward(days=30, minutes=-1)
    anna, bo = await api.sign_in(anna), await api.sign_in(bo)
    assert await can_enter(api, bo, anna.account_id)

    api.clock.forward(minutes=1)
    if with_job:
        assert (await jobs.run(operator(api)))["accounts closed"] == 1

    query = """query ($id: ID!) { account(id: $id) { id } viewer { user { name } currentAccount { id }
        accounts(first: 5) { totalCount } } }"""
    for person in (anna, bo):
        answer = await api.ask(query, {"id": anna.account_id}, by=person)
        assert answer.data["account"] is None
        assert answer.data["viewer"]["accounts"] == {"totalCount": 0}
        assert answer.data["viewer"]["currentAccount"] is None
    account_input = {"accountId": anna.account_id}
    assert await refusal_codes(api, "reopenAccount", account_input, by=anna) == NOT_FOUND
    assert await refusal_codes(api, "closeAccount", {**account_input, "password": PASSWORD}, by=anna) == NOT_FOUND
    assert await refusal_codes(api, "switchAccount", account_input, by=bo) == NOT_FOUND
    assert await refusal_codes(api, "restoreGrant", {"grantId": grant_id}, by=anna) == [("NOT_FOUND", ["grantId"])]
    assert await load_preview(api, token) is None
    acceptance = {"token": token, "name": "Kim", "password": PASSWORD}
    assert codes(await api.do("acceptInvitation", acceptance)) != []
    # The number is free for others.
    stranger = await api.person("stig@example.com")
    assert codes(await api.do("createAccount", {"name": "Ny AS", **NUMBER}, by=stranger)) == []


@pytest.mark.parametrize("with_job", [False, True])
async def test_names_and_grants_of_a_closed_account_are_gone_from_its_date(api: Api, *, with_job: bool) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com", "Bo Berg")
    invitation = {"accountId": anna.account_id, "email": bo.email, "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", invitation, by=anna)) == []
    token = await api.link(bo.email, "invitation")
    assert codes(await api.do("acceptInvitation", {"token": token}, by=bo)) == []
    kim, _ = await api.guest(anna, "kim@example.com", "ACCOUNTANT")
    own_account_id = bo.account_id
    assert codes(await api.do("switchAccount", {"accountId": anna.account_id}, by=bo)) == []
    query = """query ($kim: ID!) { node(id: $kim) { ... on User { name email } }
        viewer { currentAccount { id } grants { nodes { role status permissions } } } }"""
    await close(api, anna)
    api.clock.forward(days=30, minutes=-1)
    bo = await api.sign_in(bo)
    before = (await api.ask(query, {"kim": kim.user_id}, by=bo)).data
    assert before["node"] == {"name": "Bo Berg", "email": kim.email}
    assert before["viewer"]["currentAccount"] == {"id": anna.account_id}

    api.clock.forward(minutes=1)
    if with_job:
        assert (await jobs.run(operator(api)))["accounts closed"] == 1

    bo = await api.sign_in(bo)
    answer = (await api.ask(query, {"kim": kim.user_id}, by=bo)).data
    assert answer["node"] is None
    assert answer["viewer"]["currentAccount"] == {"id": own_account_id}
    grants = {grant["role"]: grant for grant in answer["viewer"]["grants"]["nodes"]}
    assert grants["ADMINISTRATOR"] == {"role": "ADMINISTRATOR", "status": "REVOKED", "permissions": []}
    assert grants["OWNER"]["status"] == "ACTIVE"


@pytest.mark.parametrize("with_job", [False, True])
async def test_invitations_to_a_closed_account_are_not_listed_from_its_date(api: Api, *, with_job: bool) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await invite(api, anna, email=bo.email)
    await db.execute("UPDATE accounts SET closes_at = $1 WHERE id = $2", api.clock.now, account_key(anna.account_id))
    if with_job:
        assert (await jobs.run(operator(api)))["accounts closed"] == 1

    answer = await api.ask("{ viewer { invitations { totalCount nodes { id } } } }", by=bo)

    assert answer.data["viewer"]["invitations"] == {"totalCount": 0, "nodes": []}


async def test_job_ends_everything_once_and_mails_everyone_once(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    _ = await assign_with_permissions(api, bureau, consultant, anna)
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    stig = await api.person("stig@example.com")
    _ = await invite(api, anna, email="kim@example.com")
    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", offer, by=anna)) == []
    request = {"accountNumber": await account_number(anna), "role": "ACCOUNTANT"}
    assert codes(await api.do("requestAccess", request, by=stig)) == []
    # Sooner than in 30 days, so that invitation, offer and request are pending still.
    tomorrow = api.clock.now + timedelta(days=1)
    await db.execute("UPDATE accounts SET closes_at = $1 WHERE id = $2", tomorrow, account_key(anna.account_id))
    api.clock.forward(days=1)

    first, second = await jobs.run(operator(api)), await jobs.run(operator(api))

    assert (first["accounts closed"], second["accounts closed"]) == (1, 0)
    account = await Account.get(id=account_key(anna.account_id))
    assert (account.closed_at, account.closes_at, account.name) == (api.clock.now, None, "Nowak AS")
    grants = await Grant.filter(account_id=account.id)
    assert {(row.status, row.ended_at) for row in grants} == {(GrantStatus.REVOKED, api.clock.now)}
    assert [row.status for row in await Invitation.filter(email="kim@example.com")] == ["REVOKED"]
    assert [row.status for row in await OwnershipTransfer.all()] == ["LAPSED"]
    assert [row.status for row in await AccessRequest.all()] == ["DECLINED"]
    assert [row.status for row in await Engagement.all()] == ["ENDED"]
    assert len(await events("account:account:close")) == 1
    for address in ("anna@example.com", "bo@example.com"):
        assert await subjects(address, "account-closed") == ["Nowak AS is closed"], address
        assert await subjects(address, "grant-revoked") == []
    assert await subjects("anna@example.com", "engagement-ended") == []
    assert await subjects("biuro@example.com", "engagement-ended") == ["Biuro AS no longer works for Nowak AS"]
    assert len(await mails("kari@example.com", "clients-ended")) == 1
    assert len(await mails("stig@example.com", "access-declined")) == 1
    # The bureau and its users go on.
    assert [row["status"] for row in await list_engagements(api, bureau)] == ["ENDED"]


async def test_streams_of_a_closed_account_end_before_the_job(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await close(api, anna)
    api.clock.forward(days=30, minutes=-1)
    anna = await api.sign_in(anna)
    session = (await api.ask("{ viewer { session { id } } }", by=anna)).data["viewer"]["session"]["id"]
    stream = StreamKey(key(session), account_key(anna.account_id))

    before, after = [(await load_states([stream], api.clock.now + timedelta(minutes=minutes)))[0] for minutes in (0, 1)]

    assert before.error is None
    assert isinstance(after.error, Forbidden)
    assert after.user_id is not None


async def test_closed_account_keeps_its_number_and_the_trial_of_its_owner(limited_api: Api) -> None:
    api = limited_api
    anna = await api.person("anna@example.com")
    number = await account_number(anna)
    await close(api, anna)
    _ = await wait_for_closing(api)
    anna = await api.sign_in(anna)

    payload = await api.do("createAccount", {"name": "Ny AS"}, "account { number subscription { daysLeft } }", by=anna)

    assert await account_number(anna) == number
    assert payload["account"]["number"] != number
    # One trial for each user, also after a closing.
    assert payload["account"]["subscription"]["daysLeft"] == 0


async def test_days_that_are_left_are_lost(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await subscription.credit(operator(api), await account_number(anna), 100, reference="order")
    await close(api, anna)

    await wait_for_closing(api)

    account = await Account.get(id=account_key(anna.account_id))
    assert account.subscription_until > api.clock.now
    assert await subjects("anna@example.com", "subscription-ending") == []


async def test_reopened_account_is_not_closed_by_a_late_job(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await close(api, anna)
    api.clock.forward(days=13)
    anna = await api.sign_in(anna)
    assert codes(await api.do("reopenAccount", {"accountId": anna.account_id}, by=anna)) == []

    api.clock.forward(days=17)

    assert (await jobs.run(operator(api)))["accounts closed"] == 0
    anna = await api.sign_in(anna)
    assert await can_enter(api, anna, anna.account_id)


# ---- Bureaus ---------------------------------------------------------------------------------


async def test_consultants_of_a_closed_bureau_are_out_before_the_job(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    grant_id = await assign_with_permissions(api, bureau, consultant, anna)
    await close(api, bureau)
    api.clock.forward(days=30)
    consultant, anna = await api.sign_in(consultant), await api.sign_in(anna)

    assert not await can_enter(api, consultant, anna.account_id)
    update = {"grantId": grant_id, "permissions": ["ACCOUNT_READ"]}
    assert [code for code, _ in await refusal_codes(api, "updateGrant", update, by=anna)] == ["INVALID_STATE"]


async def test_closed_bureau_ends_its_engagements_and_withdraws_unclaimed_accounts(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    _ = await assign_with_permissions(api, bureau, consultant, anna)
    unclaimed_id = await open_client_account(api, bureau)
    token = await api.link(EMAIL, "activation")
    stranger = await api.person("wanda@example.com", accountName="Wanda AS")
    _ = await request_by_bureau(api, bureau, stranger)
    await close(api, bureau)

    counts = await wait_for_closing(api)

    assert counts["accounts closed"] == 1
    assert counts["grants expired"] == 0
    statuses = {row.client_id: row.status for row in await Engagement.all()}
    # The request was blind, and the other side has not answered: it does not learn more.
    assert sorted(statuses.values()) == ["ENDED", "ENDED", "WITHDRAWN"]
    assert len(statuses) == 3
    closed_ids = {ids.encode("Account", row.id) for row in await Account.filter(closed_at__isnull=False)}
    assert closed_ids == {bureau.account_id, unclaimed_id}
    assert await refusal_codes(api, "activate", {"token": token, "password": PASSWORD}) == [
        ("TOKEN_INVALID", ["token"])
    ]
    live = await Grant.filter(status__in=["ACTIVE", "AWAITING_PERMISSIONS"])
    assert {row.role for row in live} == {"OWNER"}
    assert await subjects("anna@example.com", "engagement-ended") == ["Biuro AS no longer works for Nowak AS"]
    # The consultant is a user of the bureau, and hears once of the end.
    assert await subjects("kari@example.com", "account-closed") == ["Biuro AS is closed"]
    assert await subjects("kari@example.com", "clients-ended") == []
    anna = await api.sign_in(anna)
    assert await can_enter(api, anna, anna.account_id)


async def test_job_continues_an_end_that_was_interrupted(api: Api, database_url: str) -> None:
    bureau = await register_bureau(api)
    clients = [await api.person(f"client{n}@example.com") for n in range(3)]
    for client in clients:
        _ = await engage(api, bureau, client)
    await close(api, bureau)
    api.clock.forward(days=30)
    await execute_outside_transaction(database_url, FAIL_AT_SECOND_ENGAGEMENT)
    await execute_outside_transaction(database_url, FAIL)
    with pytest.raises(RaiseError):
        await jobs.run(operator(api))
    assert await Engagement.filter(status="ENDED").count() == 1
    assert (await Account.get(id=account_key(bureau.account_id))).closed_at == api.clock.now
    await execute_outside_transaction(database_url, "DROP TRIGGER fail ON engagements")

    counts = [(await jobs.run(operator(api)))["accounts closed"] for _ in range(2)]

    assert counts == [1, 0]
    assert await Engagement.filter(status="ENDED").count() == 3
    assert len(await mails("biuro@example.com", "account-closed")) == 1


# ---- Other ways to close ---------------------------------------------------------------------


async def test_owner_of_a_closing_account_can_be_erased(api: Api) -> None:
    anna = await api.person("anna@example.com", **NUMBER)
    bo, grant_id = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await close(api, anna)
    erasure = {"password": PASSWORD}
    assert await refusal_codes(api, "eraseMe", erasure, by=anna) == [("INVALID_STATE", None)]
    assert codes(await api.do("revokeGrant", {"grantId": grant_id}, by=anna)) == []

    assert codes(await api.do("eraseMe", erasure, by=anna)) == []

    account = await Account.get(id=account_key(anna.account_id))
    assert (account.name, account.closed_at, account.closes_at) == ("Closed account", api.clock.now, None)
    assert codes(await api.do("createAccount", {"name": "Ny AS", **NUMBER}, by=bo)) == []
    assert (await wait_for_closing(api))["accounts closed"] == 0


async def test_erasure_removes_the_name_of_an_account_that_was_closed_before(api: Api) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak", **NUMBER)
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await close(api, anna)
    await wait_for_closing(api)
    anna = await api.sign_in(anna)

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=anna)) == []

    account = await Account.get(id=account_key(anna.account_id))
    assert (account.name, account.country) == ("Closed account", None)
    assert not await can_enter(api, await api.sign_in(bo), anna.account_id)
