"""The mail as it travels: headers, one receiver, a text and an HTML part.

The same row always gives the same Message-ID and Date, so that whoever gets it twice can tell.
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
from models.outbox.message import OutgoingRow

LONGEST_NAME: Final = 100


def compose(row: OutgoingRow, mail: Mail, *, public_url: str, mail_from: str) -> EmailMessage:
    """`mail` as an EmailMessage to exactly one address. Raises ValueError: the address is not one."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender(mail_from)
    message["To"] = receiver(row.to_name, mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(row.created_at)
    message["Message-ID"] = f"<{row.id}@{urlsplit(public_url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    # Seven bits and short lines: no server on the way has to change the mail, or to refuse it.
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    # Last, for both lines above move such headers into the parts.
    message["Content-Language"] = row.locale
    return message


def receiver(name: str | None, address: str) -> Address:
    """The To line: one address, its host in ASCII, with or without a name."""
    found = validate_email(address, check_deliverability=False)
    return Address(_display(name), found.local_part, found.ascii_domain)


def sender(mail_from: str) -> Address:
    """The From line, given as an address or as `Name <address>`; `localhost` is a host here."""
    name, address = parseaddr(mail_from)
    return Address(_display(name), addr_spec=address)


def _display(name: str | None) -> str:
    return escape.line(name or "")[:LONGEST_NAME]
