"""The kinds of messages, each with the subject of its mail.

To add a kind, add a member here and a folder of its name with two templates in `mailer/templates/`.
"""

from enum import StrEnum
from typing import Self

from i18n import mark


class MessageKind(StrEnum):
    """The kind of a message: the name that is stored, then the subject in English."""

    subject: str
    """A message id. Translate it with the parameters of the message."""

    # mypy takes the lookup `MessageKind(name)` for a call of this method, so the subject has a default.
    def __new__(cls, name: str, subject: str = "") -> Self:
        """A string equal to the stored name, with the subject as an attribute."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.subject = subject
        return kind

    INVITATION = "invitation", mark("%(inviter_name)s invites you to %(account_name)s")
    ACTIVATION = "activation", mark("Activate your Fullmakt login")
    CLIENT_ACTIVATION = "client-activation", mark("%(bureau_name)s has opened the account %(account_name)s for you")
    PASSWORD_RESET = "password-reset", mark("Choose a new password")
    PASSWORD_CHANGED = "password-changed", mark("Your password was changed")
    SECOND_FACTOR_ENABLED = "second-factor-enabled", mark("Signing in now needs your second factor")
    SECOND_FACTOR_DISABLED = "second-factor-disabled", mark("Your second factor was disabled")
    SECOND_FACTOR_GUESSED = "second-factor-guessed", mark("Sign-in attempt with your password")
    RECOVERY_CODE_USED = "recovery-code-used", mark("A recovery code was used to sign in")
    RECOVERY_CODES_RENEWED = "recovery-codes-renewed", mark("You have new recovery codes")
    ADDRESS_TAKEN = "address-taken", mark("Registration attempt with your address")
    INVITATION_ACCEPTED = "invitation-accepted", mark("%(invitee_email)s now has access to %(account_name)s")
    INVITATION_JOINED = "invitation-joined", mark("You now have access to %(account_name)s")
    INVITATION_DECLINED = "invitation-declined", mark("%(invitee_email)s declined your invitation to %(account_name)s")
    ENGAGEMENT_ASKED = "engagement-asked", mark("%(asker_name)s asks to work with you")
    ENGAGEMENT_ACCEPTED = "engagement-accepted", mark("%(bureau_name)s now works for %(client_name)s")
    ENGAGEMENT_DECLINED = "engagement-declined", mark("%(bureau_name)s will not work for %(client_name)s")
    ENGAGEMENT_ENDED = "engagement-ended", mark("%(bureau_name)s no longer works for %(client_name)s")
    CONSULTANT_ASSIGNED = (
        "consultant-assigned",
        mark("%(consultant_name)s of %(bureau_name)s looks after %(client_name)s"),
    )
    CONSULTANT_ENDED = "consultant-ended", mark("%(consultant_name)s no longer has access to %(client_name)s")
    CONSULTANT_LEFT = "consultant-left", mark("%(consultant_name)s no longer looks after clients of %(bureau_name)s")
    OWNERSHIP_OFFERED = "ownership-offered", mark("The ownership of %(account_name)s is offered")
    OWNERSHIP_WITHDRAWN = "ownership-withdrawn", mark("The offer of the ownership of %(account_name)s was withdrawn")
    OWNERSHIP_ACCEPTED = "ownership-accepted", mark("%(account_name)s has a new owner")
    OWNERSHIP_DECLINED = "ownership-declined", mark("The ownership of %(account_name)s was declined")
    OWNERSHIP_EXPIRED = "ownership-expired", mark("The offer of the ownership of %(account_name)s has expired")
    GRANT_ENDING = "grant-ending", mark("The access of %(holder_name)s to %(account_name)s ends soon")
    GRANT_EXPIRED = "grant-expired", mark("Your access to %(account_name)s has ended")
    SUBSCRIPTION_ENDING = "subscription-ending", mark("The subscription of %(account_name)s ends soon")
    ACCESS_REQUESTED = "access-requested", mark("%(requester_name)s asks for access to %(account_name)s")
    ACCESS_APPROVED = "access-approved", mark("You now have access to %(account_name)s")
    ACCESS_DECLINED = "access-declined", mark("Your request for access was declined")
