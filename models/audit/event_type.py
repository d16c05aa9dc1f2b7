"""All types of events, each with its description.

A type reads `source:subject:action`. The source says whose event it is: `account` for what happens in an account,
`user` for what concerns a login, `operator` for what the command line does. A refused operation writes one event
of the type `refused:` with the type of its success after it: `refused:account:grant:update`.

Types are stored, and owners read them: a type that was once written never changes.
"""

from enum import StrEnum
from typing import Final, Self

REFUSED: Final = "refused:"
"""The prefix of the type of a refused operation."""


class EventType(StrEnum):
    """A type of event. `description` tells in one sentence what happened."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """A member whose value is the type, with its description beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    # ---- Accounts --------------------------------------------------------------------------------

    ACCOUNT_CREATE = "account:account:create", "The account was opened."
    ACCOUNT_ACTIVATE = "account:account:activate", "The account was activated by its owner."
    ACCOUNT_UPDATE = "account:account:update", "The account's name, country or registered numbers changed."
    NUMBER_CLAIM = "account:number:claim", "The account claimed a registered number of another account."
    NUMBER_CONTEST = "account:number:contest", "Another account claimed a registered number of the account."
    NUMBER_REJECT = "account:number:reject", "The claim of a registered number was rejected."
    ACCOUNT_CLOSE = "account:account:close", "The account was closed, by its owner or by the bureau that withdrew it."
    ACCOUNT_DATA_ERASE = (
        "account:data:erase",
        "Texts and IP addresses of an erased user were removed from events of the account.",
    )
    ACCOUNT_ENTER = "account:account:enter", "A user entered the account."
    ACCOUNT_VIEW_AS = "account:account:view-as", "A user viewed the account as a role or as the holder of a grant."
    SETTINGS_UPDATE = "account:settings:update", "The account's settings changed."

    # ---- Grants and invitations --------------------------------------------------------------------

    GRANT_GIVE = "account:grant:give", "A user got a grant."
    GRANT_UPDATE = "account:grant:update", "The role, the permissions or the end of a grant changed."
    GRANT_REVOKE = "account:grant:revoke", "A grant was revoked."
    GRANT_RESTORE = "account:grant:restore", "A revoked grant was restored."
    GRANT_RESIGN = "account:grant:resign", "The holder resigned their grant."
    GRANT_EXPIRE = "account:grant:expire", "A grant reached its end."
    INVITATION_ISSUE = "account:invitation:issue", "An invitation was sent."
    INVITATION_UPDATE = "account:invitation:update", "A pending invitation changed."
    INVITATION_RESEND = "account:invitation:resend", "An invitation was sent again, with a new link."
    INVITATION_REVOKE = "account:invitation:revoke", "An invitation was revoked."
    INVITATION_ACCEPT = "account:invitation:accept", "An invitation was accepted."
    INVITATION_DECLINE = "account:invitation:decline", "An invitation was declined."
    ACCESS_REQUEST_ASK = "account:access-request:ask", "A user requested access to the account."
    ACCESS_REQUEST_WITHDRAW = "account:access-request:withdraw", "A user withdrew their access request."
    ACCESS_REQUEST_APPROVE = "account:access-request:approve", "An access request was approved."
    ACCESS_REQUEST_DECLINE = "account:access-request:decline", "An access request was declined."
    OWNERSHIP_OFFER = "account:ownership:offer", "The owner offered the account's ownership to a user."
    OWNERSHIP_WITHDRAW = "account:ownership:withdraw", "The owner withdrew the offer of ownership."
    OWNERSHIP_ACCEPT = "account:ownership:accept", "The ownership moved to the user who accepted it."
    OWNERSHIP_DECLINE = "account:ownership:decline", "The offer of ownership was declined."
    OWNERSHIP_EXPIRE = "account:ownership:expire", "The offer of ownership expired."

    # ---- Bureaus -----------------------------------------------------------------------------------

    CLIENT_CREATE = "account:client:create", "The bureau opened an account for a client."
    CLIENT_RESEND = "account:client:resend", "The bureau sent the activation link to a client again."
    CLIENT_CORRECT = "account:client:correct", "The bureau corrected the address of a client who had not activated."
    CLIENT_WITHDRAW = "account:client:withdraw", "The bureau withdrew an account that no client had activated."
    ENGAGEMENT_ASK = "account:engagement:ask", "An engagement was requested."
    ENGAGEMENT_BEGIN = "account:engagement:begin", "An engagement began with the account that the bureau opened."
    ENGAGEMENT_ACCEPT = "account:engagement:accept", "An engagement was accepted."
    ENGAGEMENT_DECLINE = "account:engagement:decline", "An engagement was declined."
    ENGAGEMENT_END = "account:engagement:end", "An engagement ended."
    CONSULTANT_ASSIGN = "account:consultant:assign", "The bureau assigned a consultant to a client."
    CONSULTANT_UNASSIGN = "account:consultant:unassign", "The bureau withdrew a consultant from a client."

    # ---- Subscriptions -------------------------------------------------------------------------------

    SUBSCRIPTION_EXTEND = "account:subscription:extend", "The account received days of subscription."
    SUBSCRIPTION_GIVE = "account:subscription:give", "The account paid days of subscription for another account."
    SUBSCRIPTION_REDEEM = "account:subscription:redeem", "A voucher was redeemed."
    SUBSCRIPTION_TRIAL_END = (
        "account:subscription:trial-end",
        "Trial days were taken back, because the new owner had a trial before.",
    )

    # ---- Users ---------------------------------------------------------------------------------------

    USER_REGISTER = "user:login:register", "The user registered."
    USER_RESEND = "user:login:resend", "The user asked for the activation link again."
    USER_ACTIVATE = "user:login:activate", "The user activated their login."
    USER_ERASE = "user:login:erase", "The user erased their data."
    USER_DATA_ERASE = "user:data:erase", "Texts and IP addresses were removed from the erased user's own events."
    DATA_EXPORT = "user:data:export", "The user exported their data."
    PASSWORD_CHANGE = "user:password:change", "The user changed their password."
    PASSWORD_FORGET = "user:password:forget", "The user asked for a link to reset their password."
    PASSWORD_RESET = "user:password:reset", "The user reset their password with a mailed link."
    PROFILE_UPDATE = "user:profile:update", "The user changed their name or language."
    SESSION_START = "user:session:start", "The user signed in."
    SESSION_END = "user:session:end", "The user signed out."
    SESSION_REVOKE = "user:session:revoke", "The user ended one of their sessions."
    SESSION_REVOKE_OTHERS = "user:session:revoke-others", "The user's other sessions ended."
    SESSION_REAUTHENTICATE = (
        "user:session:reauthenticate",
        "The user entered the password or a code in an open session.",
    )
    SECOND_FACTOR_ENROLL = "user:second-factor:enroll", "The user began to set up a second factor."
    SECOND_FACTOR_CONFIRM = "user:second-factor:confirm", "The user's second factor became active."
    SECOND_FACTOR_DISABLE = "user:second-factor:disable", "The user removed their second factor."
    SECOND_FACTOR_REFUSE = "user:second-factor:refuse", "A wrong code of the second factor was given."
    RECOVERY_CODE_USE = "user:recovery-code:use", "A recovery code was used."
    RECOVERY_CODE_RENEW = "user:recovery-code:renew", "The user got new recovery codes."
    USER_ACCESS_REQUEST_ASK = "user:access-request:ask", "The user requested access to an account."
    USER_ACCESS_REQUEST_WITHDRAW = "user:access-request:withdraw", "The user withdrew an access request."

    # ---- Command line ----------------------------------------------------------------------------------

    OPERATOR_OPERATION_ADD = "operator:document:add", "The operator registered operations of a client."
    OPERATOR_OPERATION_REMOVE = "operator:document:remove", "The operator removed operations of a client."
    OPERATOR_NUMBER_RELEASE = "operator:number:release", "The operator released a registered number of the account."
    OPERATOR_SEATS_SET = "operator:seats:set", "The operator set the number of seats."
    OPERATOR_SECOND_FACTOR_DISABLE = "operator:second-factor:disable", "The operator removed a user's second factor."
    OPERATOR_SUBSCRIPTION_CREDIT = "operator:subscription:credit", "The operator credited days of subscription."
    OPERATOR_VOUCHER_ISSUE = "operator:voucher:issue", "The operator issued vouchers."


def of_refusal(event_type: EventType) -> str:
    """The type of the event of a refused operation, from the type that its success writes."""
    return REFUSED + event_type


def as_markdown() -> str:
    """All types with their descriptions, as a Markdown list: the documentation of `Event.type`."""
    return "\n".join(f"- `{event_type}`: {event_type.description}" for event_type in EventType)
