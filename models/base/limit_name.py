"""The names of limits. A RATE_LIMITED error gives the name to programs, and the text to people."""

from i18n import mark
from models.base.attribute_enum import AttributeEnum


class LimitName(AttributeEnum):
    """A limit, with the English text of its refusal. The text has `%(time)s`, or `%(seconds)s` for a short wait.

    Names are public: they never change. Several counters have one name if users see them as one limit.
    """

    def __init__(self, _: str, text: str) -> None:
        self.text = text

    ATTEMPTS = "ATTEMPTS", mark("Too many tries. Try again after %(time)s.")

    # ---- Secrets -----------------------------------------------------------------------------------

    SIGN_INS = "SIGN_INS", mark("Too many wrong sign-ins. Try again after %(time)s.")
    PASSWORDS = "PASSWORDS", mark("Too many wrong passwords. Try again after %(time)s.")
    CODES = "CODES", mark("Too many wrong codes. Try again after %(time)s.")
    VOUCHERS = "VOUCHERS", mark("Too many wrong voucher codes. Try again after %(time)s.")
    PASSKEYS = "PASSKEYS", mark("Too many passkeys were asked for. Try again after %(time)s.")
    LINKS = "LINKS", mark("Too many invalid links from your network. Try again after %(time)s.")

    # ---- What users do to others -------------------------------------------------------------------

    INVITATIONS = "INVITATIONS", mark("Too many invitations. You can invite again after %(time)s.")
    CLIENT_ACCOUNTS = (
        "CLIENT_ACCOUNTS",
        mark("Too many client accounts, or mails to their owners. Try again after %(time)s."),
    )
    SENT_DOCUMENTS = "SENT_DOCUMENTS", mark("This account has sent too many documents. Try again after %(time)s.")
    ENGAGEMENTS = "ENGAGEMENTS", mark("Too many engagements were requested. Try again after %(time)s.")
    ACCESS_REQUESTS = "ACCESS_REQUESTS", mark("Too many access requests. You can ask again after %(time)s.")
    MAILS_TO_ADDRESS = (
        "MAILS_TO_ADDRESS",
        mark("This account has sent too many mails to this address. Try again after %(time)s."),
    )
    MAILS_OF_ACCOUNT = (
        "MAILS_OF_ACCOUNT",
        mark("This account has sent its share of mails for this hour. Try again after %(time)s."),
    )
    MAILS = "MAILS", mark("Too many mails are being sent to others. Try again after %(time)s.")
    """The limits of one address and of the installation, which all users share. They tell nothing about others."""
    MAIL_REQUESTS = "MAIL_REQUESTS", mark("Your network has requested too many mails. Try again after %(time)s.")
    OWNERSHIP_OFFERS = "OWNERSHIP_OFFERS", mark("Too many offers of ownership. Try again after %(time)s.")
    ACCOUNTS = "ACCOUNTS", mark("Too many new accounts. You can open another after %(time)s.")
    CLOSINGS = "CLOSINGS", mark("Too many closings of accounts. Try again after %(time)s.")
    REGISTERED_NUMBERS = "REGISTERED_NUMBERS", mark("Too many new registered numbers. Try again after %(time)s.")

    ACCOUNT_EXPORTS = "ACCOUNT_EXPORTS", mark("Too many exports of this account. Try again after %(time)s.")

    # ---- The user's own data -----------------------------------------------------------------------

    EMAIL_CHANGES = "EMAIL_CHANGES", mark("Too many changes of your address. Try again after %(time)s.")
    EXPORTS = "EXPORTS", mark("Too many exports of your data. Try again after %(time)s.")
    ERASURES = "ERASURES", mark("Too many tries to erase your login. Try again after %(time)s.")

    # ---- The load of the server --------------------------------------------------------------------

    REQUEST_COST = "REQUEST_COST", mark("Your requests cost too much. Try again in %(seconds)s seconds.")
    OPERATIONS_AT_ONCE = (
        "OPERATIONS_AT_ONCE",
        mark("Too many of your requests wait for an answer. Try again in %(seconds)s seconds."),
    )
    DOCUMENTS_AT_ONCE = (
        "DOCUMENTS_AT_ONCE",
        mark("Too many new documents wait for their check. Try again in %(seconds)s seconds."),
    )
    RENDERINGS_AT_ONCE = (
        "RENDERINGS_AT_ONCE",
        mark("Too many documents are being prepared. Try again in %(seconds)s seconds."),
    )
    PASSWORDS_AT_ONCE = (
        "PASSWORDS_AT_ONCE",
        mark("Too many passwords wait for their check. Try again in %(seconds)s seconds."),
    )
