"""Composing of an e-mail from a rendered message: headers, one recipient, a text part and an HTML part.

Message-ID and Date depend only on the row, so duplicates of a mail can be recognized.
"""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final
from urllib.parse import urlsplit

from email_validator import validate_email

from mailer import escape
from mailer.render import Mail
from models.outbox.delivery import OutgoingRow

MAX_NAME_LENGTH: Final = 100


def compose(row: OutgoingRow, mail: Mail, *, public_url: str, mail_from: str) -> EmailMessage:
    """`mail` as an EmailMessage to exactly one address. Raises ValueError if the address is invalid."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender_address(mail_from)
    message["To"] = recipient_address(row.to_name, mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(row.created_at)
    message["Message-ID"] = f"<{row.id}@{urlsplit(public_url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    # 7-bit content with short lines: no server on the way has to change or reject the mail.
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    # Set last: the two calls above move headers named Content-* into the parts.
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
    return escape.line(name or "")[:MAX_NAME_LENGTH]
