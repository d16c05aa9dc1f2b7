"""All types of events, each with its description.

A type reads `source:subject:action`. The source says whose event it is: `account` for what happens in an account,
`user` for what concerns a login, `operator` for what the command line does. A refused operation writes one event
of the type `refused:` with the type of its success after it: `refused:account:grant:update`.

Each type declares its facts: the names that `before` and `after` can have. A fact is a copy of a value that the API
shows elsewhere, so it has the rule of that field. `models/audit/event_facts.py` cuts what its reader may not read.

Types are stored, and owners read them: a type that was once written never changes.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Final

import modules
from auth.policy import Permission
from auth.row_scope import RowScope
from auth.rules import SELF, Rule, needs
from models.base.attribute_enum import AttributeEnum

REFUSED: Final = "refused:"
"""The prefix of the type of a refused operation."""
FactRules = Mapping[str, Rule]
"""The rule of each fact of a type, by its name in `before` and `after`."""


def guard(rule: Rule, names: str) -> FactRules:
    """Give the same rule to facts. `names` is separated by spaces."""
    return dict.fromkeys(names.split(), rule)


# Facts of accounts have no `or_self`: a user who has left the account reads no fact, not even of their own acts.
_USERS, _SETTINGS = needs(Permission.USERS_READ), needs(Permission.SETTINGS_READ)
_SUBSCRIPTION = needs(Permission.SUBSCRIPTION_READ)
_NO_FACTS: Final = guard(_USERS, "")
_ACCOUNT: Final = guard(needs(Permission.ACCOUNT_READ), "name kind country organization_number")
_CLOSING_DATE: Final = {
    **guard(needs(Permission.ACCOUNT_READ), "closes_at"),
    **guard(_SUBSCRIPTION, "lost_days"),
}
_SETTING: Final = guard(
    _SETTINGS,
    "invoice_prefix vat_number bank_account_number default_currency default_locale payment_term_days"
    " simple_user_restrictions locks requires_two_factor",
)
_NUMBER: Final = guard(_SETTINGS, "kind number moves_at")  # an organization number or a bank account
_GRANT: Final = guard(_USERS, "grant user role permissions valid_until status engagement")
_INVITATION: Final = guard(_USERS, "invitation email role permissions grant_valid_until expires_at status grant")
_REQUEST: Final = guard(_USERS, "access_request requester account_number organization_number country role status grant")
_OFFER: Final = guard(needs(Permission.OWNERSHIP), "transfer owner receiver expires_at status")
_CLIENT: Final = guard(_USERS, "client engagement email")
_ENGAGEMENT: Final = guard(
    _USERS,
    "engagement engagement_request status asked_by bureau_number client_number client_organization_number"
    " client_country consultant_permissions consultant_valid_until",
)
_CONSULTANT: Final = guard(_USERS, "client user grant")
_DAYS: Final = guard(_SUBSCRIPTION, "valid_until days reference")
_OWN_REQUEST: Final = dict.fromkeys(_REQUEST, SELF)
_REFUSAL: Final = guard(needs(Permission.EVENTS_READ), "permission")


class EventTypeEnum(AttributeEnum):
    """The base of enums of event types: that of the product, and those of modules.

    `description` tells in one sentence what happened. `facts` has the rule of each fact. `scope` is the row scope of
    the row that the event is about, or None: `models/audit/event_scope.py`.
    """

    description: str
    facts: FactRules
    scope: RowScope | None

    def __init__(
        self, _: str, description: object = None, facts: FactRules = _NO_FACTS, scope: RowScope | None = None
    ) -> None:
        # No type checker sees the arguments of a member, so facts can stand in the place of the description.
        if not isinstance(description, str) or not description:
            raise modules.InvalidModule(f"{type(self).__name__}.{self.name}: the type of event has no description.")
        self.description, self.facts, self.scope = description, facts, scope


class EventType(EventTypeEnum):
    """A type of event of the product."""

    # ---- Accounts --------------------------------------------------------------------------------

    ACCOUNT_CREATE = "account:account:create", "The account was opened.", _ACCOUNT
    ACCOUNT_ACTIVATE = "account:account:activate", "The account was activated by its owner."
    ACCOUNT_UPDATE = "account:account:update", "The account's name, country or registered numbers changed.", _ACCOUNT
    ACCOUNT_KIND = "account:account:kind", "The account became a bureau, or a business again.", _ACCOUNT
    NUMBER_CLAIM = "account:number:claim", "The account claimed a registered number of another account.", _NUMBER
    NUMBER_CONTEST = "account:number:contest", "Another account claimed a registered number of the account.", _NUMBER
    NUMBER_REJECT = "account:number:reject", "The claim of a registered number was rejected.", _NUMBER
    ACCOUNT_CLOSE_REQUEST = (
        "account:account:close-request",
        "The owner requested that the account closes in 30 days.",
        _CLOSING_DATE,
    )
    ACCOUNT_REOPEN = "account:account:reopen", "The owner reopened the account before it closed.", _CLOSING_DATE
    ACCOUNT_CLOSE = "account:account:close", "The account was closed, by its owner or by the bureau that withdrew it."
    ACCOUNT_DATA_ERASE = (
        "account:data:erase",
        "Texts and IP addresses of an erased user were removed from events of the account.",
        guard(_USERS, "parts migrated"),
    )
    ACCOUNT_ENTER = "account:account:enter", "A user entered the account."
    ACCOUNT_VIEW_AS = (
        "account:account:view-as",
        "A user viewed the account as a role or as the holder of a grant.",
        _GRANT,
    )
    SETTINGS_UPDATE = "account:settings:update", "The account's settings changed.", _SETTING

    # ---- Grants and invitations --------------------------------------------------------------------

    GRANT_GIVE = "account:grant:give", "A user got a grant.", _GRANT
    GRANT_UPDATE = "account:grant:update", "The role, the permissions or the end of a grant changed.", _GRANT
    GRANT_REVOKE = "account:grant:revoke", "A grant was revoked.", _GRANT
    GRANT_RESTORE = "account:grant:restore", "A revoked grant was restored.", _GRANT
    GRANT_RESIGN = "account:grant:resign", "The holder resigned their grant.", _GRANT
    GRANT_EXPIRE = "account:grant:expire", "A grant reached its end.", _GRANT
    INVITATION_ISSUE = "account:invitation:issue", "An invitation was sent.", _INVITATION
    INVITATION_UPDATE = "account:invitation:update", "The offer of an invitation changed.", _INVITATION
    INVITATION_RESEND = "account:invitation:resend", "An invitation was sent again, with a new link.", _INVITATION
    INVITATION_REVOKE = "account:invitation:revoke", "An invitation was revoked.", _INVITATION
    INVITATION_ACCEPT = "account:invitation:accept", "An invitation was accepted.", _INVITATION
    INVITATION_DECLINE = "account:invitation:decline", "An invitation was declined.", _INVITATION
    ACCESS_REQUEST_ASK = "account:access-request:ask", "A user requested access to the account.", _REQUEST
    ACCESS_REQUEST_WITHDRAW = "account:access-request:withdraw", "A user withdrew their access request.", _REQUEST
    ACCESS_REQUEST_APPROVE = "account:access-request:approve", "An access request was approved.", _REQUEST
    ACCESS_REQUEST_DECLINE = "account:access-request:decline", "An access request was declined.", _REQUEST
    OWNERSHIP_OFFER = "account:ownership:offer", "The owner offered the account's ownership to a user.", _OFFER
    OWNERSHIP_WITHDRAW = "account:ownership:withdraw", "The owner withdrew the offer of ownership.", _OFFER
    OWNERSHIP_ACCEPT = "account:ownership:accept", "The ownership moved to the user who accepted it.", _OFFER
    OWNERSHIP_DECLINE = "account:ownership:decline", "The offer of ownership was declined.", _OFFER
    OWNERSHIP_EXPIRE = "account:ownership:expire", "The offer of ownership expired.", _OFFER

    # ---- Bureaus -----------------------------------------------------------------------------------

    CLIENT_CREATE = "account:client:create", "The bureau opened an account for a client.", _CLIENT
    CLIENT_RESEND = "account:client:resend", "The bureau sent the activation link to a client again.", _CLIENT
    CLIENT_CORRECT = (
        "account:client:correct",
        "The bureau corrected the address of a client who had not activated.",
        _CLIENT,
    )
    CLIENT_WITHDRAW = (
        "account:client:withdraw",
        "The bureau withdrew an account that no client had activated.",
        {**_CLIENT, **_DAYS},
    )
    ENGAGEMENT_ASK = "account:engagement:ask", "An engagement was requested.", _ENGAGEMENT
    ENGAGEMENT_BEGIN = (
        "account:engagement:begin",
        "An engagement began with the account that the bureau opened.",
        _ENGAGEMENT,
    )
    ENGAGEMENT_ACCEPT = "account:engagement:accept", "An engagement was accepted.", _ENGAGEMENT
    ENGAGEMENT_UPDATE = (
        "account:engagement:update",
        "The client changed what every consultant of the bureau may do.",
        _ENGAGEMENT,
    )
    ENGAGEMENT_DECLINE = "account:engagement:decline", "An engagement was declined.", _ENGAGEMENT
    ENGAGEMENT_END = "account:engagement:end", "An engagement ended.", _ENGAGEMENT
    ENGAGEMENT_WITHDRAW = (
        "account:engagement:withdraw",
        "The account that had requested an engagement withdrew the request.",
        _ENGAGEMENT,
    )
    CONSULTANT_ASSIGN = "account:consultant:assign", "The bureau assigned a consultant to a client.", _CONSULTANT
    CONSULTANT_UNASSIGN = "account:consultant:unassign", "The bureau withdrew a consultant from a client.", _CONSULTANT

    # ---- Subscriptions -------------------------------------------------------------------------------

    SUBSCRIPTION_EXTEND = "account:subscription:extend", "The account received days of subscription.", _DAYS
    SUBSCRIPTION_GIVE = "account:subscription:give", "The account paid days of subscription for another account.", _DAYS
    SUBSCRIPTION_REDEEM = "account:subscription:redeem", "A voucher was redeemed.", _DAYS
    SUBSCRIPTION_TRIAL_END = (
        "account:subscription:trial-end",
        "Trial days were taken back, because the new owner had a trial before.",
        _DAYS,
    )

    # ---- Users ---------------------------------------------------------------------------------------

    USER_REGISTER = "user:login:register", "The user registered."
    USER_RESEND = "user:login:resend", "The user asked for the activation link again."
    USER_ACTIVATE = "user:login:activate", "The user activated their login."
    USER_ERASE = "user:login:erase", "The user erased their data."
    USER_DATA_ERASE = (
        "user:data:erase",
        "Texts and IP addresses were removed from the erased user's own events.",
        guard(SELF, "parts migrated"),
    )
    DATA_EXPORT = "user:data:export", "The user exported their data."
    PASSWORD_CHANGE = "user:password:change", "The user changed their password."
    PASSWORD_FORGET = "user:password:forget", "The user asked for a link to reset their password."
    PASSWORD_RESET = "user:password:reset", "The user reset their password with a mailed link."
    EMAIL_CHANGE_REQUEST = (
        "user:email:change-request",
        "The user asked for a change of their address.",
        guard(SELF, "email"),
    )
    EMAIL_CHANGE_CANCEL = (
        "user:email:change-cancel",
        "The user canceled a change of their address.",
        guard(SELF, "email"),
    )
    EMAIL_CHANGE = (
        "user:email:change",
        "The user's address changed, by a link mailed to the new one.",
        guard(SELF, "email"),
    )
    EMAIL_UNDO = (
        "user:email:undo",
        "A change of the user's address was undone, by a link mailed to the former one.",
        guard(SELF, "email"),
    )
    PROFILE_UPDATE = "user:profile:update", "The user changed their name or language.", guard(SELF, "name locale")
    SESSION_START = "user:session:start", "The user signed in."
    SESSION_END = "user:session:end", "The user signed out."
    SESSION_REVOKE = "user:session:revoke", "The user ended one of their sessions.", guard(SELF, "session")
    SESSION_REVOKE_OTHERS = "user:session:revoke-others", "The user's other sessions ended.", guard(SELF, "sessions")
    SESSION_REAUTHENTICATE = (
        "user:session:reauthenticate",
        "The user entered the password or a code, or used a passkey, in an open session.",
    )
    SECOND_FACTOR_ENROLL = "user:second-factor:enroll", "The user began to set up a second factor."
    SECOND_FACTOR_CONFIRM = "user:second-factor:confirm", "The user's second factor became active."
    SECOND_FACTOR_DISABLE = "user:second-factor:disable", "The user removed their second factor."
    SECOND_FACTOR_REFUSE = "user:second-factor:refuse", "A wrong code of the second factor was given."
    RECOVERY_CODE_USE = "user:recovery-code:use", "A recovery code was used.", guard(SELF, "left")
    RECOVERY_CODE_RENEW = "user:recovery-code:renew", "The user got new recovery codes."
    PASSKEY_ADD = "user:passkey:add", "The user added a passkey.", guard(SELF, "passkey name")
    PASSKEY_RENAME = "user:passkey:rename", "The user renamed a passkey.", guard(SELF, "passkey name")
    PASSKEY_REMOVE = "user:passkey:remove", "A passkey of the user was removed.", guard(SELF, "passkey name")
    PASSKEY_REFUSE = (
        "user:passkey:refuse",
        "A passkey was refused because its counter had not moved on: another device may have a copy of its key.",
        guard(SELF, "passkey"),
    )
    USER_ACCESS_REQUEST_ASK = "user:access-request:ask", "The user requested access to an account.", _OWN_REQUEST
    USER_ACCESS_REQUEST_WITHDRAW = "user:access-request:withdraw", "The user withdrew an access request.", _OWN_REQUEST

    # ---- Command line ----------------------------------------------------------------------------------

    OPERATOR_OPERATION_ADD = (
        "operator:document:add",
        "The operator registered operations of a client.",
        guard(SELF, "client count"),
    )
    OPERATOR_OPERATION_REMOVE = (
        "operator:document:remove",
        "The operator removed operations of a client.",
        guard(SELF, "client count"),
    )
    OPERATOR_LIMIT_LOWER = (
        "operator:limit:lower",
        "The operator ended a raised limit of the account.",
        guard(_USERS, "limit per_day ends_at"),
    )
    OPERATOR_LIMIT_RAISE = (
        "operator:limit:raise",
        "The operator raised a limit for the account until an end.",
        guard(_USERS, "limit per_day ends_at"),
    )
    OPERATOR_NUMBER_RELEASE = (
        "operator:number:release",
        "The operator released a registered number of the account.",
        _NUMBER,
    )
    OPERATOR_SEATS_SET = "operator:seats:set", "The operator set the number of seats.", guard(_USERS, "purchased")
    OPERATOR_SECOND_FACTOR_DISABLE = (
        "operator:second-factor:disable",
        "The operator removed a user's second factor.",
        guard(SELF, "user"),
    )
    OPERATOR_SUBSCRIPTION_CREDIT = "operator:subscription:credit", "The operator credited days of subscription.", _DAYS
    OPERATOR_VOUCHER_ISSUE = (
        "operator:voucher:issue",
        "The operator issued vouchers.",
        guard(SELF, "reference days count expires_at"),
    )


@cache
def all_types() -> tuple[EventTypeEnum, ...]:
    """All types of events: those of the product, then those of each installed module. Raises InvalidModule."""
    types = *EventType, *(member for enum in modules.table_parts("EVENT_TYPES") for member in enum)
    for member, count in Counter(map(str, types)).items():
        if count > 1:
            raise modules.InvalidModule(f"Two event types are {member}.")
    return types


def of_refusal(event_type: EventTypeEnum) -> str:
    """The type of the event of a refused operation, from the type that its success writes."""
    return REFUSED + event_type


@cache
def _facts_by_type() -> Mapping[str, FactRules]:
    return {event_type.value: event_type.facts for event_type in all_types()}


def facts_of(type_text: str) -> FactRules:
    """The facts of a type, or of its refusal. Empty for a type that the product no longer has."""
    return _REFUSAL if type_text.startswith(REFUSED) else _facts_by_type().get(type_text, _NO_FACTS)


def as_markdown() -> str:
    """All types with their descriptions, as a Markdown list: the documentation of `Event.type`."""
    return "\n".join(f"- `{event_type}`: {event_type.description}" for event_type in all_types())
