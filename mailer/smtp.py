"""Handing one mail to the mail server, and telling what its answer means.

Delivered  (no error)  the server took it
Postponed              try again: 4xx, no connection, no answer in time, or our own login refused
Rejected               never try again: the server refused this mail with a 5xx
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum
from ssl import SSLContext
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

WHOLE_SEND_SECONDS: Final = 30
GOODBYE_SECONDS: Final = 2
LONGEST_REASON: Final = 200
_PERMANENT: Final = range(500, 600)
# "Sign in first", "wrong password", "too weak", "encrypt first": about our set-up, not about the mail.
_ABOUT_US: Final = {530, 534, 535, 538}
# A spam filter may quote the mail, link and all.
_COULD_BE_TOKEN: Final = re.compile(r"[\w-]{32,}")


class Postponed(Exception):
    """The mail was not taken now; the text says why."""


class Rejected(Exception):
    """The mail will never be taken; the text says why."""


class Security(StrEnum):
    """How a connection is protected, as the URL's scheme says it."""

    NONE = "smtp"
    TLS = "smtps"
    STARTTLS = "smtp+starttls"
    """Required: a server that does not offer it gets neither password nor mail."""


_PORTS: Final = {Security.NONE: 25, Security.TLS: 465, Security.STARTTLS: 587}


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in; its repr shows no password."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_context: SSLContext | None = field(default=None, repr=False)
    """What to trust; None for the authorities that the system trusts."""


def parse(url: str) -> Server:
    """The server of `smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`.

    User and password are percent-decoded. Raises ValueError, whose text shows nothing of the URL.
    """
    parts = _split(url)
    security = Security(parts.scheme)
    if not parts.hostname:
        raise ValueError("no host")
    return Server(
        host=parts.hostname,
        port=parts.port or _PORTS[security],
        security=security,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


async def send(server: Server, mail: EmailMessage, *, limit_seconds: float = WHOLE_SEND_SECONDS) -> None:
    """Hand `mail` in over a connection of its own, all within `limit_seconds`.

    Raises:
        Postponed, Rejected: it was not taken.
    """
    connection = _connection(server, mail, limit_seconds)
    try:
        # The library's limit is for each command: a server that drips could hold us for hours.
        async with asyncio.timeout(limit_seconds):
            await connection.connect()
            await connection.send_message(mail)
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _answered(error.recipients[0]) from error
    except (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError) as error:
        raise Postponed(_reason(error.code, error.message)) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _answered(error) from error
    except TimeoutError as error:
        raise Postponed("no answer in time") from error
    except (OSError, aiosmtplib.SMTPException) as error:
        raise Postponed(_plain(f"{type(error).__name__}: {error}")) from error
    else:
        await _part(connection)
    finally:
        connection.close()


def _connection(server: Server, mail: EmailMessage, limit_seconds: float) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        # Ours, since the library would look the machine's name up, and a slow resolver costs seconds.
        local_hostname=mail["From"].addresses[0].domain,
        timeout=limit_seconds,
        use_tls=server.security is Security.TLS,
        start_tls=server.security is Security.STARTTLS,
        tls_context=server.tls_context,
    )


async def _part(connection: aiosmtplib.SMTP) -> None:
    """Say goodbye; the mail is taken, so nothing that goes wrong here may undo that."""
    with suppress(OSError, aiosmtplib.SMTPException):
        async with asyncio.timeout(GOODBYE_SECONDS):
            await connection.quit()


def _answered(error: aiosmtplib.SMTPResponseException) -> Postponed | Rejected:
    is_final = error.code in _PERMANENT and error.code not in _ABOUT_US
    return (Rejected if is_final else Postponed)(_reason(error.code, error.message))


def _reason(code: int, answer: str) -> str:
    return _plain(f"{code} {answer}")


def _plain(reason: str) -> str:
    """One line, cut, and without anything that could be a token."""
    return " ".join(_COULD_BE_TOKEN.sub("...", reason).split())[:LONGEST_REASON]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("not a usable address") from None
    if parts.scheme not in set(Security):
        raise ValueError("the scheme must be smtp, smtps or smtp+starttls")
    return parts
