"""The kinds of messages, each with the subject of its mail, the limit of its number, and its topic.

To add a kind, add a member here and a folder of its name with two templates in `mailer/templates/`.

A subject is shown in the list of messages. Each of its parameters copies a value that the API shows elsewhere, and has
the rule of that field: SUBJECT_RULES. So has the receiver.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from auth.policy import Permission
from auth.rules import Rule, needs
from i18n import mark
from models.base.attribute_enum import AttributeEnum

_USERS, _SUBSCRIPTION = needs(Permission.USERS_READ), needs(Permission.SUBSCRIPTION_READ)
_CONTACTS: Final = needs(Permission.CONTACTS_READ)
SUBJECT_RULES: Final[Mapping[str, Rule]] = {
    "account_name": needs(Permission.ACCOUNT_READ),
    "number": needs(Permission.SETTINGS_READ),  # an organization number or a bank account
    "document_number": needs(Permission.DOCUMENTS_READ),
    **dict.fromkeys(("payer_name", "receiver_name"), _SUBSCRIPTION),
    **dict.fromkeys(("sender_email", "invitee_email", "invited_email", "requester_email"), _USERS),
    **dict.fromkeys(("holder_name", "actor_name", "consultant_name"), _USERS),
    # An engagement names the accounts on both of its sides.
    **dict.fromkeys(("asker_name", "bureau_name", "client_name"), _USERS),
}
"""The rule of each parameter that a subject has, in the account that lists the message."""


class MailLimit(StrEnum):
    """The limit of the number of mails of a kind. `models/outbox/mail_limit.py` holds the numbers."""

    OFFER = "OFFER"
    """To an address that the sender chose. Beyond the limit the operation is refused."""
    REQUEST = "REQUEST"
    """To the users of an account that the sender chose. The operation counts the sender, and is refused beyond the
    limit. The mail is omitted beyond the limit of the receiver, because a refusal would show that the account exists.
    """
    NOTICE = "NOTICE"
    """Tells a user with a login of an event in an account that they use. Omitted beyond the limit."""
    DOCUMENT = "DOCUMENT"
    """A document of an account, to an address that the sender chose. Beyond the limit the operation is refused."""
    REMINDER = "REMINDER"
    """Sent by a job, a few times for each end of a subscription, to owners only."""
    OPERATION = "OPERATION"
    """Limited by its operation alone, in `models/throttle.py` or by what the operation costs, or sent only to the
    caller. About the security of a login or the control of an account, its days and numbers: the mails of other users
    cannot use up its limit, and it cannot be blocked.
    """


class Lane(StrEnum):
    """The lane in which a message waits. No lane waits for another one (`mailer/worker.py`)."""

    SECURITY = "SECURITY"
    """About the receiver's own login. No other signed-in user can send such mails."""
    ORDINARY = "ORDINARY"


class MessageKind(AttributeEnum):
    """The kind of a message: the name that is stored, then the subject in English, the limit and the topic."""

    subject: str
    """A message id. Translate it with the parameters of the message."""
    limit: MailLimit
    topic: str | None
    """The mails of the kind, in English, for a receiver who blocks them. None for a kind that cannot be blocked."""
    subject_rules: Mapping[str, Rule]
    """The rule of each parameter of the subject."""

    # mypy takes the lookup `MessageKind(name)` for a call of this method, so the parameters have defaults.
    def __init__(self, name: str, subject: str = "", limit: MailLimit | None = None, topic: str | None = None) -> None:
        """Raises TypeError for a kind without a limit, and KeyError for a parameter of the subject without a rule."""
        if limit is None or (topic is None) is not (limit is MailLimit.OPERATION):
            raise TypeError(f"{name} declares no limit, or has no topic although it can be blocked")
        self.subject, self.limit, self.topic = subject, limit, topic
        self.subject_rules = {name: SUBJECT_RULES[name] for name in re.findall(r"%\((\w+)\)s", subject)}

    @property
    def receiver_rule(self) -> Rule:
        """The rule of the receiver's address in the list of messages."""
        if self is MessageKind.DOCUMENT_SENT:
            return _CONTACTS
        return _OWNERSHIP if self in _OFFER_KINDS else _USERS

    @property
    def hiding_permission(self) -> Permission | None:
        """The permission without which messages of this kind do not exist for a user. None: they exist for all.

        The messages about documents of other users must not show by their number or time that these were sent. Users
        without the permission find the mails of their documents at the documents.
        """
        return Permission.DOCUMENTS_READ_ALL if self is MessageKind.DOCUMENT_SENT else None

    @property
    def lane(self) -> Lane:
        """The lane in which messages of this kind wait."""
        return Lane.SECURITY if self in _SECURITY_KINDS else Lane.ORDINARY

    INVITATION = (
        "invitation",
        mark("%(sender_email)s invites you to “%(account_name)s”"),
        MailLimit.OFFER,
        mark("Invitations to accounts"),
    )
    ACTIVATION = "activation", mark("Activate your Fullmakt login"), MailLimit.OPERATION
    CLIENT_ACTIVATION = (
        "client-activation",
        mark("%(sender_email)s has opened the account “%(account_name)s” for you"),
        MailLimit.OFFER,
        mark("Accounts that a bureau opens for you"),
    )
    PASSWORD_RESET = "password-reset", mark("Choose a new password"), MailLimit.OPERATION
    SIGN_IN_CODE = "sign-in-code", mark("Your code for signing in"), MailLimit.OPERATION
    EMAIL_CHANGE = (
        "email-change",
        mark("Confirm your new address at Fullmakt"),
        MailLimit.OFFER,
        mark("Changes of an address to yours"),
    )
    EMAIL_CHANGE_TAKEN = (
        "email-change-taken",
        mark("Attempt to use your address for another login"),
        MailLimit.OFFER,
        mark("Attempts to use your address for another login"),
    )
    EMAIL_CHANGE_FAILED = (
        "email-change-failed",
        mark("Your mail to %(invited_email)s could not be delivered"),
        MailLimit.OPERATION,
    )
    EMAIL_CHANGED = "email-changed", mark("The address of your login was changed"), MailLimit.OPERATION
    EMAIL_CHANGE_UNDONE = "email-change-undone", mark("Your login has its former address again"), MailLimit.OPERATION
    EMAIL_TAKEN_BACK = "email-taken-back", mark("Your address has no login any more"), MailLimit.OPERATION
    PASSWORD_CHANGED = "password-changed", mark("Your password was changed"), MailLimit.OPERATION
    SECOND_FACTOR_ENABLED = (
        "second-factor-enabled",
        mark("Signing in now needs your second factor"),
        MailLimit.OPERATION,
    )
    SECOND_FACTOR_DISABLED = "second-factor-disabled", mark("Your second factor was disabled"), MailLimit.OPERATION
    SECOND_FACTOR_GUESSED = "second-factor-guessed", mark("Sign-in attempt with your password"), MailLimit.OPERATION
    RECOVERY_CODE_USED = "recovery-code-used", mark("A recovery code was used to sign in"), MailLimit.OPERATION
    RECOVERY_CODES_RENEWED = "recovery-codes-renewed", mark("You have new recovery codes"), MailLimit.OPERATION
    PASSKEY_ADDED = "passkey-added", mark("A passkey was added to your login"), MailLimit.OPERATION
    PASSKEY_REMOVED = "passkey-removed", mark("A passkey was removed from your login"), MailLimit.OPERATION
    ADDRESS_TAKEN = "address-taken", mark("Registration attempt with your address"), MailLimit.OPERATION
    INVITATION_ACCEPTED = (
        "invitation-accepted",
        mark("%(invitee_email)s now has access to %(account_name)s"),
        MailLimit.NOTICE,
        mark("Accepted invitations"),
    )
    INVITATION_JOINED = (
        "invitation-joined",
        mark("You now have access to %(account_name)s"),
        MailLimit.NOTICE,
        mark("Your new access to accounts"),
    )
    INVITATION_DECLINED = (
        "invitation-declined",
        mark("%(invitee_email)s declined your invitation to %(account_name)s"),
        MailLimit.NOTICE,
        mark("Declined invitations"),
    )
    ENGAGEMENT_ASKED = (
        "engagement-asked",
        mark("“%(asker_name)s” (%(sender_email)s) asks to work with you"),
        MailLimit.REQUEST,
        mark("Requests for engagements"),
    )
    ENGAGEMENT_ACCEPTED = (
        "engagement-accepted",
        mark("%(bureau_name)s now works for %(client_name)s"),
        MailLimit.NOTICE,
        mark("Accepted engagements"),
    )
    ENGAGEMENT_DECLINED = (
        "engagement-declined",
        mark("%(bureau_name)s will not work for %(client_name)s"),
        MailLimit.NOTICE,
        mark("Declined engagements"),
    )
    ENGAGEMENT_CHANGED = (
        "engagement-changed",
        mark("%(client_name)s changed the permissions of %(bureau_name)s"),
        MailLimit.NOTICE,
        mark("Changes of the permissions of bureaus"),
    )
    ENGAGEMENT_ENDED = (
        "engagement-ended",
        mark("%(bureau_name)s no longer works for %(client_name)s"),
        MailLimit.NOTICE,
        mark("Ended engagements"),
    )
    CONSULTANT_ASSIGNED = (
        "consultant-assigned",
        mark("%(consultant_name)s of %(bureau_name)s looks after %(client_name)s"),
        MailLimit.NOTICE,
        mark("Assigned consultants"),
    )
    CONSULTANT_ENDED = (
        "consultant-ended",
        mark("%(consultant_name)s no longer has access to %(client_name)s"),
        MailLimit.NOTICE,
        mark("Consultants whose access has ended"),
    )
    CONSULTANT_LEFT = (
        "consultant-left",
        mark("%(consultant_name)s no longer looks after clients of %(bureau_name)s"),
        MailLimit.NOTICE,
        mark("Consultants who left clients of your bureau"),
    )
    OWNERSHIP_OFFERED = "ownership-offered", mark("The ownership of %(account_name)s is offered"), MailLimit.OPERATION
    OWNERSHIP_WITHDRAWN = (
        "ownership-withdrawn",
        mark("The offer of the ownership of %(account_name)s was withdrawn"),
        MailLimit.OPERATION,
    )
    OWNERSHIP_ACCEPTED = "ownership-accepted", mark("%(account_name)s has a new owner"), MailLimit.OPERATION
    OWNERSHIP_DECLINED = (
        "ownership-declined",
        mark("The ownership of %(account_name)s was declined"),
        MailLimit.OPERATION,
    )
    OWNERSHIP_EXPIRED = (
        "ownership-expired",
        mark("The offer of the ownership of %(account_name)s has expired"),
        MailLimit.OPERATION,
    )
    GRANT_ENDING = (
        "grant-ending",
        mark("The access of %(holder_name)s to %(account_name)s ends soon"),
        MailLimit.NOTICE,
        mark("Access that ends soon"),
    )
    GRANT_EXPIRED = (
        "grant-expired",
        mark("Your access to %(account_name)s has ended"),
        MailLimit.NOTICE,
        mark("Your access that has ended"),
    )
    GRANT_CHANGED = (
        "grant-changed",
        mark("Your access to %(account_name)s was changed"),
        MailLimit.NOTICE,
        mark("Changes of your access to accounts"),
    )
    GRANT_REVOKED = (
        "grant-revoked",
        mark("Your access to %(account_name)s was taken back"),
        MailLimit.NOTICE,
        mark("Your access that was taken back"),
    )
    GRANT_RESTORED = (
        "grant-restored",
        mark("You have access to %(account_name)s again"),
        MailLimit.NOTICE,
        mark("Your access that was restored"),
    )
    GRANT_RESIGNED = (
        "grant-resigned",
        mark("%(holder_name)s gave up the access to %(account_name)s"),
        MailLimit.NOTICE,
        mark("Users who gave up their access"),
    )
    CLIENT_ASSIGNED = (
        "client-assigned",
        mark("You now look after %(client_name)s for %(bureau_name)s"),
        MailLimit.NOTICE,
        mark("Clients that you look after"),
    )
    CLIENTS_ENDED = (
        "clients-ended",
        mark("You no longer look after clients of %(bureau_name)s"),
        MailLimit.NOTICE,
        mark("Clients that you no longer look after"),
    )
    OFFER_FAILED = (
        "offer-failed",
        mark("Your mail to %(invited_email)s could not be delivered"),
        MailLimit.NOTICE,
        mark("Your invitations that could not be delivered"),
    )
    ACCOUNT_CLOSING = "account-closing", mark("%(account_name)s closes soon"), MailLimit.OPERATION
    ACCOUNT_REOPENED = "account-reopened", mark("%(account_name)s does not close"), MailLimit.OPERATION
    ACCOUNT_CLOSED = "account-closed", mark("%(account_name)s is closed"), MailLimit.OPERATION
    SUBSCRIPTION_ENDING = (
        "subscription-ending",
        mark("The subscription of %(account_name)s ends soon"),
        MailLimit.REMINDER,
        mark("Subscriptions that end soon"),
    )
    SUBSCRIPTION_ENDED = (
        "subscription-ended",
        mark("%(account_name)s is now read-only"),
        MailLimit.REMINDER,
        mark("Accounts that have become read-only"),
    )
    DAYS_GIVEN = (
        "days-given",
        mark("%(actor_name)s gave days of %(payer_name)s to %(receiver_name)s"),
        MailLimit.OPERATION,
    )
    NUMBER_CLAIMED = (
        "number-claimed",
        mark("Another account claims a number of %(account_name)s"),
        MailLimit.OPERATION,
    )
    NUMBER_LOST = "number-lost", mark("%(account_name)s no longer has the number %(number)s"), MailLimit.OPERATION
    NUMBER_GAINED = "number-gained", mark("%(account_name)s now has the number %(number)s"), MailLimit.OPERATION
    NUMBER_KEPT = (
        "number-kept",
        mark("%(account_name)s does not get the number %(number)s"),
        MailLimit.OPERATION,
    )
    ACCESS_REQUESTED = (
        "access-requested",
        mark("%(requester_email)s asks for access to %(account_name)s"),
        MailLimit.REQUEST,
        mark("Requests for access to your accounts"),
    )
    ACCESS_APPROVED = (
        "access-approved",
        mark("You now have access to %(account_name)s"),
        MailLimit.NOTICE,
        mark("Approved requests for access"),
    )
    ACCESS_DECLINED = (
        "access-declined",
        mark("Your request for access was declined"),
        MailLimit.NOTICE,
        mark("Declined requests for access"),
    )
    DOCUMENT_SENT = (
        "document-sent",
        mark("“%(account_name)s” sends you the document %(document_number)s"),
        MailLimit.DOCUMENT,
        mark("Invoices and other documents of accounts"),
    )


_OWNERSHIP: Final = needs(Permission.OWNERSHIP)
_OFFER_KINDS: Final = frozenset(
    (
        MessageKind.OWNERSHIP_OFFERED,
        MessageKind.OWNERSHIP_WITHDRAWN,
        MessageKind.OWNERSHIP_DECLINED,
        MessageKind.OWNERSHIP_EXPIRED,
    )
)
"""Their receivers are the two sides of an offer of ownership, which only these may read."""
_SECURITY_KINDS: Final = frozenset(
    (
        MessageKind.ACTIVATION,
        MessageKind.PASSWORD_RESET,
        MessageKind.SIGN_IN_CODE,
        MessageKind.PASSWORD_CHANGED,
        MessageKind.EMAIL_CHANGED,
        MessageKind.EMAIL_CHANGE_UNDONE,
        MessageKind.EMAIL_TAKEN_BACK,
        MessageKind.SECOND_FACTOR_ENABLED,
        MessageKind.SECOND_FACTOR_DISABLED,
        MessageKind.SECOND_FACTOR_GUESSED,
        MessageKind.RECOVERY_CODE_USED,
        MessageKind.RECOVERY_CODES_RENEWED,
        MessageKind.PASSKEY_ADDED,
        MessageKind.PASSKEY_REMOVED,
        MessageKind.ADDRESS_TAKEN,
    )
)
