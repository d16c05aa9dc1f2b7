"""Failures of mails, as users read them.

A stored failure may quote the reply of a mail server, which is the text of a stranger. Users read only the codes of the
reply, with a sentence from the list below.
"""

import re
from typing import Final

import i18n
from i18n import mark
from models.outbox import block, delivery

UNREACHABLE_MAILBOX: Final = "the mail server has no SMTPUTF8"
"""The failure of a mail to an address with letters beyond ASCII, which the mail server cannot send to."""

# RFC 5321, section 4.2, and RFC 2034: the reply code, and an enhanced status code of the same class.
_CODES: Final = re.compile(r"([245])\d\d(?:[ -]+(\1\.\d{1,3}\.\d{1,3}))?(?!\S)", re.ASCII)
_SENTENCES: Final = {
    block.FAILURE: mark("The receiver has stopped mails of this kind."),
    delivery.OBSOLETE: mark("The link no longer worked when the mail was due."),
    UNREACHABLE_MAILBOX: mark("The mail server cannot send to an address with such letters."),
}
_PERMANENT: Final = mark("The mail server rejected the mail.")
_TEMPORARY: Final = mark("The mail server did not accept the mail yet.")
_NO_REPLY: Final = mark("The mail could not be sent.")
_BY_SUBJECT: Final = {
    "5.1": mark("The mail server does not accept this address."),
    "5.2": mark("The mailbox does not accept mails, for example because it is full."),
    "5.7": mark("The mail server rejected the mail by its rules, for example as spam."),
}
"""The sentence for a permanent failure, by class and subject of the enhanced status code (RFC 3463)."""


def summary(failure: str) -> str:
    """The part of a stored failure that any reader may see: the codes of a reply, or a failure of our own.

    `describe` returns the same for the summary as for the failure.
    """
    codes = _CODES.match(failure)
    return codes[0] if codes else failure if failure in _SENTENCES else ""


def describe(failure: str, locale: str) -> str:
    """A sentence for users about a stored failure, with the codes of the mail server's reply."""
    codes = _CODES.match(failure)
    if codes is None:
        return i18n.translate(locale, _SENTENCES.get(failure, _NO_REPLY))
    status: str | None = codes[2]
    by_class = _PERMANENT if codes[1] == "5" else _TEMPORARY
    sentence = _BY_SUBJECT.get(".".join(status.split(".")[:2]), by_class) if status else by_class
    return f"{i18n.translate(locale, sentence)} ({codes[0]})"
