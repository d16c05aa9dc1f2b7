"""SMTP client: sends a mail and classifies the server's reply.

(no error)         the server has accepted the mail
TransientFailure   try again: 4xx, no connection, a timeout, or our own login was rejected
PermanentFailure   do not try again: the server rejected this mail with a 5xx
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

SEND_TIMEOUT_SECONDS: Final = 30
QUIT_TIMEOUT_SECONDS: Final = 2
MAX_REASON_LENGTH: Final = 200
_PERMANENT_CODES: Final = range(500, 600)
# 5xx replies about our configuration (login or encryption), not about the mail.
_CONFIGURATION_CODES: Final = {530, 534, 535, 538}
# A spam filter may quote the mail with its link.
_POSSIBLE_TOKEN: Final = re.compile(r"[\w-]{32,}")


class TransientFailure(Exception):
    """The mail was not accepted now. The text is the reason."""


class PermanentFailure(Exception):
    """The mail will never be accepted. The text is the reason."""


class Security(StrEnum):
    """The encryption of the SMTP connection, from the scheme of the URL."""

    PLAINTEXT = "smtp"
    TLS = "smtps"
    STARTTLS = "smtp+starttls"
    """Mandatory: a server without STARTTLS gets neither password nor mail."""


_PORTS: Final = {Security.PLAINTEXT: 25, Security.TLS: 465, Security.STARTTLS: 587}


@dataclass(frozen=True, slots=True)
class Server:
    """The address and credentials of the mail server. Its repr hides the password."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_context: SSLContext | None = field(default=None, repr=False)
    """The trusted certificate authorities. None for those of the system."""


def parse(url: str) -> Server:
    """Parse `smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`.

    User and password are percent-decoded. Raises ValueError; its text contains no part of the URL.
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


async def send(server: Server, mail: EmailMessage, *, timeout_seconds: float = SEND_TIMEOUT_SECONDS) -> None:
    """Send `mail` over a new connection, within `timeout_seconds` in total.

    Raises:
        TransientFailure, PermanentFailure: the mail was not accepted.
    """
    connection = _create_connection(server, mail, timeout_seconds)
    try:
        # The library's timeout is per command: a slow server could block us for hours.
        async with asyncio.timeout(timeout_seconds):
            await connection.connect()
            await connection.send_message(mail)
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _failure(error.recipients[0]) from error
    except (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError) as error:
        raise TransientFailure(_format_reason(error.code, error.message)) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error) from error
    except TimeoutError as error:
        raise TransientFailure("no answer in time") from error
    except (OSError, aiosmtplib.SMTPException) as error:
        raise TransientFailure(_sanitize(f"{type(error).__name__}: {error}")) from error
    else:
        await _quit(connection)
    finally:
        connection.close()


def _create_connection(server: Server, mail: EmailMessage, timeout_seconds: float) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        # Set here, because the library would look up the host name, and a slow resolver takes seconds.
        local_hostname=mail["From"].addresses[0].domain,
        timeout=timeout_seconds,
        use_tls=server.security is Security.TLS,
        start_tls=server.security is Security.STARTTLS,
        tls_context=server.tls_context,
    )


async def _quit(connection: aiosmtplib.SMTP) -> None:
    """Send QUIT. The mail is already accepted, so errors are ignored."""
    with suppress(OSError, aiosmtplib.SMTPException):
        async with asyncio.timeout(QUIT_TIMEOUT_SECONDS):
            await connection.quit()


def _failure(error: aiosmtplib.SMTPResponseException) -> TransientFailure | PermanentFailure:
    is_final = error.code in _PERMANENT_CODES and error.code not in _CONFIGURATION_CODES
    return (PermanentFailure if is_final else TransientFailure)(_format_reason(error.code, error.message))


def _format_reason(code: int, answer: str) -> str:
    return _sanitize(f"{code} {answer}")


def _sanitize(reason: str) -> str:
    """`reason` on one line, truncated, without anything that could be a token."""
    return " ".join(_POSSIBLE_TOKEN.sub("...", reason).split())[:MAX_REASON_LENGTH]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("not a valid URL") from None
    if parts.scheme not in set(Security):
        raise ValueError("the scheme must be smtp, smtps or smtp+starttls")
    return parts
