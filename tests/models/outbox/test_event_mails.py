"""Every type of event: the mails that it causes, or the reason why it causes none. And mails about grants."""

from collections.abc import Awaitable, Callable

import pytest

from database import db
from models.audit.event_type import EventType, EventTypeEnum, all_types
from models.outbox.message_kind import MessageKind
from resolvers import ids
from tests.api import PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import assign, base_grant_id, register_trio
from tests.models.refusals import mails, subjects
from tests.models.sharing.invitations import invite
from workspace.event_type import WorkspaceEventType

# ---- All types of events ---------------------------------------------------------------------

OWN_ACT = "only the user is concerned, who did it"
IN_LISTS = "the other side reads it in its lists, and loses nothing"
DETAIL = "part of an operation whose own event has the mail"
OPERATOR = "the operator did it, at the request of the owner or for all accounts"
INSIDE = "no user outside the account is concerned, and its events show it"

K = MessageKind
MAILS: dict[EventTypeEnum, set[MessageKind] | str] = {
    EventType.ACCOUNT_CREATE: OWN_ACT,
    EventType.ACCOUNT_ACTIVATE: OWN_ACT,
    EventType.ACCOUNT_UPDATE: INSIDE,
    EventType.ACCOUNT_KIND: INSIDE,
    EventType.NUMBER_CLAIM: OWN_ACT,
    EventType.NUMBER_CONTEST: {K.NUMBER_CLAIMED},
    EventType.NUMBER_REJECT: {K.NUMBER_KEPT, K.NUMBER_LOST, K.NUMBER_GAINED},
    EventType.ACCOUNT_CLOSE_REQUEST: {K.ACCOUNT_CLOSING},
    EventType.ACCOUNT_REOPEN: {K.ACCOUNT_REOPENED},
    EventType.ACCOUNT_CLOSE: {K.ACCOUNT_CLOSED},
    EventType.ACCOUNT_DATA_ERASE: DETAIL,
    EventType.ACCOUNT_ENTER: INSIDE,
    EventType.ACCOUNT_VIEW_AS: INSIDE,
    EventType.SETTINGS_UPDATE: INSIDE,
    EventType.GRANT_GIVE: DETAIL,
    EventType.GRANT_UPDATE: {K.GRANT_CHANGED, K.GRANT_ENDING},
    EventType.GRANT_REVOKE: {K.GRANT_REVOKED, K.CONSULTANT_ENDED, K.CONSULTANT_LEFT, K.CLIENTS_ENDED},
    EventType.GRANT_RESTORE: {K.GRANT_RESTORED},
    EventType.GRANT_RESIGN: {K.GRANT_RESIGNED, K.CONSULTANT_LEFT},
    EventType.GRANT_EXPIRE: {K.GRANT_EXPIRED, K.CONSULTANT_ENDED, K.CONSULTANT_LEFT},
    EventType.INVITATION_ISSUE: {K.INVITATION, K.OFFER_FAILED},
    EventType.INVITATION_UPDATE: "the link and the list of the invitee show the present offer",
    EventType.INVITATION_RESEND: {K.INVITATION, K.OFFER_FAILED},
    EventType.INVITATION_REVOKE: "the invitee never had access, and the address may belong to a stranger",
    EventType.INVITATION_ACCEPT: {K.INVITATION_ACCEPTED, K.INVITATION_JOINED},
    EventType.INVITATION_DECLINE: {K.INVITATION_DECLINED},
    EventType.ACCESS_REQUEST_ASK: {K.ACCESS_REQUESTED},
    EventType.ACCESS_REQUEST_WITHDRAW: IN_LISTS,
    EventType.ACCESS_REQUEST_APPROVE: {K.ACCESS_APPROVED},
    EventType.ACCESS_REQUEST_DECLINE: {K.ACCESS_DECLINED},
    EventType.OWNERSHIP_OFFER: {K.OWNERSHIP_OFFERED},
    EventType.OWNERSHIP_WITHDRAW: {K.OWNERSHIP_WITHDRAWN},
    EventType.OWNERSHIP_ACCEPT: {K.OWNERSHIP_ACCEPTED},
    EventType.OWNERSHIP_DECLINE: {K.OWNERSHIP_DECLINED},
    EventType.OWNERSHIP_EXPIRE: {K.OWNERSHIP_EXPIRED},
    EventType.CLIENT_CREATE: {K.CLIENT_ACTIVATION, K.OFFER_FAILED},
    EventType.CLIENT_CORRECT: {K.CLIENT_ACTIVATION, K.OFFER_FAILED},
    EventType.CLIENT_WITHDRAW: "the address of the client is not proved, and no user has entered the account",
    EventType.CLIENT_RESEND: {K.CLIENT_ACTIVATION, K.OFFER_FAILED},
    EventType.ENGAGEMENT_ASK: {K.ENGAGEMENT_ASKED},
    EventType.ENGAGEMENT_BEGIN: DETAIL,
    EventType.ENGAGEMENT_ACCEPT: {K.ENGAGEMENT_ACCEPTED},
    EventType.ENGAGEMENT_UPDATE: {K.ENGAGEMENT_CHANGED},
    EventType.ENGAGEMENT_DECLINE: {K.ENGAGEMENT_DECLINED},
    EventType.ENGAGEMENT_WITHDRAW: IN_LISTS,
    EventType.ENGAGEMENT_END: {K.ENGAGEMENT_ENDED, K.CLIENTS_ENDED},
    EventType.CONSULTANT_ASSIGN: {K.CONSULTANT_ASSIGNED, K.CLIENT_ASSIGNED},
    EventType.CONSULTANT_UNASSIGN: {K.CONSULTANT_ENDED, K.CLIENTS_ENDED},
    EventType.SUBSCRIPTION_EXTEND: IN_LISTS,
    EventType.SUBSCRIPTION_GIVE: {K.DAYS_GIVEN, K.SUBSCRIPTION_ENDING, K.SUBSCRIPTION_ENDED},
    EventType.SUBSCRIPTION_REDEEM: IN_LISTS,
    EventType.SUBSCRIPTION_TRIAL_END: {K.SUBSCRIPTION_ENDING, K.SUBSCRIPTION_ENDED},
    EventType.USER_REGISTER: {K.ACTIVATION, K.ADDRESS_TAKEN},
    EventType.USER_RESEND: {K.ACTIVATION},
    EventType.USER_ACTIVATE: OWN_ACT,
    EventType.USER_ERASE: "no address is left",
    EventType.USER_DATA_ERASE: "no address is left",
    EventType.DATA_EXPORT: OWN_ACT,
    EventType.PASSWORD_CHANGE: {K.PASSWORD_CHANGED},
    EventType.PASSWORD_FORGET: {K.PASSWORD_RESET},
    EventType.PASSWORD_RESET: {K.PASSWORD_CHANGED},
    EventType.EMAIL_CHANGE_REQUEST: {K.EMAIL_CHANGE, K.EMAIL_CHANGE_TAKEN, K.EMAIL_CHANGE_FAILED},
    EventType.EMAIL_CHANGE_CANCEL: OWN_ACT,
    EventType.EMAIL_CHANGE: {K.EMAIL_CHANGED},
    EventType.EMAIL_UNDO: {K.EMAIL_CHANGE_UNDONE, K.EMAIL_TAKEN_BACK},
    EventType.PROFILE_UPDATE: OWN_ACT,
    EventType.SESSION_START: {K.SIGN_IN_CODE},
    EventType.SESSION_END: OWN_ACT,
    EventType.SESSION_REVOKE: OWN_ACT,
    EventType.SESSION_REVOKE_OTHERS: OWN_ACT,
    EventType.SESSION_REAUTHENTICATE: OWN_ACT,
    EventType.SECOND_FACTOR_ENROLL: OWN_ACT,
    EventType.SECOND_FACTOR_CONFIRM: {K.SECOND_FACTOR_ENABLED},
    EventType.SECOND_FACTOR_DISABLE: {K.SECOND_FACTOR_DISABLED},
    EventType.SECOND_FACTOR_REFUSE: {K.SECOND_FACTOR_GUESSED},
    EventType.RECOVERY_CODE_USE: {K.RECOVERY_CODE_USED},
    EventType.RECOVERY_CODE_RENEW: {K.RECOVERY_CODES_RENEWED},
    EventType.PASSKEY_ADD: {K.PASSKEY_ADDED},
    EventType.PASSKEY_RENAME: OWN_ACT,
    EventType.PASSKEY_REMOVE: {K.PASSKEY_REMOVED, K.SECOND_FACTOR_DISABLED},
    EventType.PASSKEY_REFUSE: OWN_ACT,
    EventType.USER_ACCESS_REQUEST_ASK: DETAIL,
    EventType.USER_ACCESS_REQUEST_WITHDRAW: DETAIL,
    EventType.OPERATOR_OPERATION_ADD: OPERATOR,
    EventType.OPERATOR_OPERATION_REMOVE: OPERATOR,
    EventType.OPERATOR_NUMBER_RELEASE: {K.NUMBER_LOST},
    EventType.OPERATOR_LIMIT_LOWER: OPERATOR,
    EventType.OPERATOR_LIMIT_RAISE: OPERATOR,
    EventType.OPERATOR_SEATS_SET: OPERATOR,
    EventType.OPERATOR_SECOND_FACTOR_DISABLE: {K.SECOND_FACTOR_DISABLED},
    EventType.OPERATOR_SUBSCRIPTION_CREDIT: OPERATOR,
    EventType.OPERATOR_VOUCHER_ISSUE: OPERATOR,
    **dict.fromkeys(WorkspaceEventType, INSIDE),
    WorkspaceEventType.DOCUMENT_SEND: {K.DOCUMENT_SENT},
}


@pytest.mark.parametrize("event_type", all_types())
def test_type_of_event_has_mails_or_a_reason_for_none(event_type: EventTypeEnum) -> None:
    assert MAILS.get(event_type), f"Which users must hear of {event_type}? Add the kinds of its mails, or a reason."


def test_every_kind_of_mail_belongs_to_an_event() -> None:
    kinds_of_events = {kind for kinds in MAILS.values() if isinstance(kinds, set) for kind in kinds}

    assert kinds_of_events == set(MessageKind)


# ---- Grants ----------------------------------------------------------------------------------


async def test_holder_hears_of_each_change_of_a_grant(api: Api) -> None:
    owner = await api.person("olga@example.com")
    bo, grant_id = await api.guest(owner, "bo@example.com", "ACCOUNTANT")

    change = {"grantId": grant_id, "role": "SIMPLE_USER", "permissions": ["DOCUMENTS_READ"]}
    assert codes(await api.do("updateGrant", change, by=owner)) == []
    (mail,) = await mails(bo.email, "grant-changed")
    assert '"role": "SIMPLE_USER"' in mail.params
    assert "DOCUMENTS_READ" in mail.params
    assert codes(await api.do("updateGrant", change, by=owner)) == []
    assert len(await mails(bo.email, "grant-changed")) == 1  # the second time changes nothing
    assert codes(await api.do("revokeGrant", {"grantId": grant_id}, by=owner)) == []
    assert codes(await api.do("revokeGrant", {"grantId": grant_id}, by=owner)) != []
    assert len(await mails(bo.email, "grant-revoked")) == 1
    assert codes(await api.do("restoreGrant", {"grantId": grant_id}, by=owner)) == []

    assert await subjects(bo.email, "grant-restored") == ["You have access to Anna Nowak again"]
    assert await mails(owner.email, "grant-changed") == []


async def test_holder_and_users_who_manage_users_hear_of_a_resignation(api: Api) -> None:
    owner = await api.person("olga@example.com")
    admin, _ = await api.guest(owner, "ada@example.com", "ADMINISTRATOR")
    former, former_grant_id = await api.guest(owner, "frida@example.com", "ADMINISTRATOR")
    assert codes(await api.do("revokeGrant", {"grantId": former_grant_id}, by=owner)) == []
    reader, _ = await api.guest(owner, "rita@example.com", "COLLABORATOR")
    bo, grant_id = await api.guest(owner, "bo@example.com", "ACCOUNTANT")

    assert codes(await api.do("resignGrant", {"grantId": grant_id}, by=bo)) == []

    people = [bo, owner, admin, former, reader]
    counts = [len(await mails(person.email, "grant-resigned")) for person in people]
    assert counts == [1, 1, 1, 0, 0]


async def test_users_who_manage_users_hear_that_an_erased_user_left(api: Api) -> None:
    owner = await api.person("olga@example.com")
    bo, _ = await api.guest(owner, "bo@example.com", "ACCOUNTANT")

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=bo)) == []

    (mail,) = await mails(owner.email, "grant-resigned")
    assert "Bo Berg" not in mail.params
    assert await mails(bo.email, "grant-resigned") == []


async def test_invitation_accepted_by_another_login_names_the_invited_address(api: Api) -> None:
    owner = await api.person("olga@example.com")
    guest = await api.person("bo.private@example.com")
    await invite(api, owner, email="bo@example.com", allowOtherLogin=True)

    token = await api.link("bo@example.com", "invitation")
    assert codes(await api.do("acceptInvitation", {"token": token}, by=guest)) == []

    for email, kind in ((owner.email, "invitation-accepted"), (guest.email, "invitation-joined")):
        (mail,) = await mails(email, kind)
        page = await api.http.get(f"/mailbox/{mail.id}")
        assert "The invitation was sent to bo@example.com." in page.text, kind


# ---- Consultants -----------------------------------------------------------------------------


async def end_by_engagement(api: Api, bureau: Person, client: Person, user: Person) -> None:
    query = "query ($id: ID!) { account(id: $id) { engagements { nodes { id } } } }"
    answer = await api.ask(query, {"id": client.account_id}, by=client)
    (engagement,) = answer.data["account"]["engagements"]["nodes"]
    assert codes(await api.do("endEngagement", {"engagementId": engagement["id"]}, by=bureau)) == []


async def end_by_base(api: Api, bureau: Person, client: Person, user: Person) -> None:
    grant_id = await base_grant_id(bureau, user)
    assert codes(await api.do("revokeGrant", {"grantId": grant_id}, by=bureau)) == []


async def end_by_unassigning(api: Api, bureau: Person, client: Person, user: Person) -> None:
    arguments = {"bureauAccountId": bureau.account_id, "userId": user.user_id, "clientAccountIds": [client.account_id]}
    assert codes(await api.do("unassignConsultant", arguments, by=bureau)) == []


EndClient = Callable[[Api, Person, Person, Person], Awaitable[None]]


@pytest.mark.parametrize("end", [end_by_engagement, end_by_base, end_by_unassigning])
async def test_consultant_hears_of_clients_that_begin_and_end(api: Api, end: EndClient) -> None:
    bureau, user, client = await register_trio(api)
    await assign(api, bureau, user, [client.account_id])
    assert len(await mails(user.email, "client-assigned")) == 1

    await end(api, bureau, client, user)

    assert len(await mails(user.email, "clients-ended")) == 1
    (mail,) = await mails(user.email, "clients-ended")
    assert mail.account_id == ids.decode("Account", bureau.account_id)


async def test_consultant_who_resigns_at_a_client_is_missed_by_client_and_bureau(api: Api) -> None:
    bureau, user, client = await register_trio(api)
    (outcome,) = await assign(api, bureau, user, [client.account_id])

    assert codes(await api.do("resignGrant", {"grantId": outcome["grant"]["id"]}, by=user)) == []

    assert len(await mails(client.email, "grant-resigned")) == 1
    assert len(await mails(bureau.email, "consultant-left")) == 1
    assert await db.fetch("SELECT FROM messages WHERE kind = 'consultant-ended'", row=db.Row) == []
