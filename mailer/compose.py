"""Composing of an e-mail from a rendered message: headers, one recipient, a text part, an HTML part and attachments.

All bytes depend only on the row and its attachments, so duplicates of a mail can be recognized.

Headers with a name, a text or a URL are folded here. The folding of CPython 3.11 to 3.13 drops the quotes of a name
that does not fit into a line, so that each comma in it separates two addresses. It also encodes a long URL as if it
were text.
"""

from collections.abc import Sequence
from email.header import Header
from email.headerregistry import Address, HeaderRegistry, UniqueAddressHeader, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from typing import Any, Final, cast
from urllib.parse import urlsplit

from email_validator import validate_email

from mailer import escape
from mailer.render import Mail
from models.outbox.attachment import Attachment
from models.outbox.delivery import OutgoingRow

MAX_NAME_LENGTH: Final = 100
MAX_LINE_LENGTH: Final = 78
_ENCODED_WORD_LENGTH: Final = 75


class _AddressHeader(UniqueAddressHeader):
    """A header of addresses, each on a line of its own. A name that is not plain is encoded as a whole."""

    name: str

    def fold(self, *, policy: "Policy[Any]") -> str:
        """The lines of the header. An encoded word contains no character that could separate addresses."""
        linesep = policy.linesep
        lines = [_fold_address(address, self.name) for address in self.addresses]
        return f"{self.name}: {f',{linesep} '.join(text.replace(chr(10), linesep) for text in lines)}{linesep}"


class _TextHeader(UniqueUnstructuredHeader):
    """A header of text that a user may have chosen: `=?utf-8?q?...?=` in it stays as it is."""

    name: str

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Take the text literally. The library would decode encoded words in it."""
        super().parse(value, kwds)
        kwds["decoded"] = value

    def fold(self, *, policy: "Policy[Any]") -> str:
        """The lines of the header, encoded as a whole unless it is plain and short."""
        text = str(self)
        line = f"{self.name}: {text}"
        if not text.isascii() or "=?" in text or len(line) > MAX_LINE_LENGTH:
            line = f"{self.name}: {_encode(text, self.name)}"
        return line.replace("\n", policy.linesep) + policy.linesep


class _UnfoldedHeader(UniqueUnstructuredHeader):
    """A header on one line, for a URL. RFC 5322 allows 998 characters."""

    name: str

    def fold(self, *, policy: "Policy[Any]") -> str:
        """The line of the header."""
        return f"{self.name}: {self}{policy.linesep}"


def _registry() -> HeaderRegistry:
    registry = HeaderRegistry()
    for name in ("from", "to", "reply-to", "sender", "cc"):
        registry.map_to_type(name, cast("Any", _AddressHeader))
    registry.map_to_type("subject", cast("Any", _TextHeader))
    for name in ("list-unsubscribe", "list-unsubscribe-post"):
        registry.map_to_type(name, cast("Any", _UnfoldedHeader))
    return registry


# The header objects fold themselves, also when a library serializes the message under its own policy.
POLICY: Final = SMTP.clone(header_factory=_registry())


def compose(
    row: OutgoingRow, mail: Mail, *, public_url: str, mail_from: str, attachments: Sequence[Attachment] = ()
) -> EmailMessage:
    """`mail` as an EmailMessage to exactly one address. Raises ValueError if the address is invalid."""
    message = EmailMessage(policy=POLICY)
    message["From"] = sender_address(mail_from)
    message["To"] = recipient_address(row.to_name, mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(row.created_at)
    message["Message-ID"] = f"<{row.id}@{urlsplit(public_url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    if mail.unsubscribe_url is not None:
        # RFC 2369 and RFC 8058: the mail program of the receiver sends a POST to the URL.
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    # 7-bit content with short lines: no server on the way has to change or reject the mail.
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    for attachment in attachments:
        main_type, _, sub_type = attachment.media_type.partition("/")
        message.add_attachment(attachment.content, maintype=main_type, subtype=sub_type, filename=attachment.name)
    multiparts = [part for part in message.walk() if part.is_multipart()]
    for number, part in enumerate(multiparts):
        # Neither quoted-printable nor base64 has `=_`, so no content can have the boundary.
        part.set_boundary(f"=_{row.id.hex}_{number}")
    # Set last: the calls above move headers named Content-* into the parts.
    message["Content-Language"] = row.locale
    return message


def recipient_address(name: str | None, address: str) -> Address:
    """The address of the To header. The host is in ASCII; the name is optional."""
    parts = validate_email(address, check_deliverability=False)
    return Address(_display_name(name), parts.local_part, parts.ascii_domain)


def sender_address(mail_from: str) -> Address:
    """The address of the From header, from `address` or `Name <address>`. The host may be `localhost`."""
    name, address = parseaddr(mail_from)
    return Address(_display_name(name), addr_spec=address)


def _display_name(name: str | None) -> str:
    return escape.line(name or "")[:MAX_NAME_LENGTH].strip()


def _fold_address(address: Address, header_name: str) -> str:
    """The address with its name, with a line feed where the line is folded."""
    if not address.display_name:
        return address.addr_spec
    plain = f"{address.display_name} <{address.addr_spec}>"
    if _is_plain(address.display_name) and len(f"{header_name}: {plain}") <= MAX_LINE_LENGTH:
        return plain
    return f"{_encode(address.display_name, header_name)}\n <{address.addr_spec}>"


def _encode(text: str, header_name: str) -> str:
    """The text as encoded words of RFC 2047, with a line feed where a line is folded."""
    return Header(text, "utf-8", _ENCODED_WORD_LENGTH, header_name).encode()


def _is_plain(name: str) -> bool:
    """True for words of ASCII letters and digits, which need no quotes in any mail program."""
    return name.isascii() and name.replace(" ", "").isalnum()
