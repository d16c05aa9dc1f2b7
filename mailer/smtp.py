"""SMTP client: sends mails and classifies the server's replies.

A connection is kept for further mails, because opening one takes more round trips than a mail.

(no error)         the server has accepted the mail
TransientFailure   try again: 4xx, no connection, a timeout, or our own login was rejected
PermanentFailure   do not try again: the server rejected this mail with a 5xx, or cannot send to its address
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from enum import StrEnum
from ssl import SSLContext
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from models.outbox import failure

SEND_TIMEOUT_SECONDS: Final = 30
QUIT_TIMEOUT_SECONDS: Final = 2
RESET_TIMEOUT_SECONDS: Final = 5
MAX_MAILS_PER_CONNECTION: Final = 100
"""Mail servers limit it too, some of them to 100."""
_CLOSING_CODE: Final = 421
"""The server closes the connection after this reply."""
MAX_REASON_LENGTH: Final = 200
_PERMANENT_CODES: Final = range(500, 600)
# 5xx replies about our configuration (login or encryption), not about the mail.
_CONFIGURATION_CODES: Final = {530, 534, 535, 538}
_REPLY_ERRORS: Final = (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused)
"""The server has rejected the mail or its receiver."""
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


@dataclass(slots=True)
class _Connection:
    """An open connection, and the number of mails that were sent or rejected on it."""

    client: aiosmtplib.SMTP
    mail_count: int = 0

    @property
    def is_exhausted(self) -> bool:
        """True if the connection takes no further mail."""
        return self.mail_count >= MAX_MAILS_PER_CONNECTION


class Sender:
    """Sends mails to one server. Concurrent mails have connections of their own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle_connections: list[_Connection] = []

    @property
    def has_idle_connections(self) -> bool:
        """True if connections are open that send nothing now."""
        return bool(self._idle_connections)

    async def send(self, mail: EmailMessage, *, timeout_seconds: float = SEND_TIMEOUT_SECONDS) -> None:
        """Send `mail` within `timeout_seconds` in total, over an idle connection or a new one.

        Raises:
            TransientFailure, PermanentFailure: the mail was not accepted.
        """
        try:
            # The library's timeout is per command: a slow server could block us for hours.
            async with asyncio.timeout(timeout_seconds):
                # In a thread, because the documents of a mail can be megabytes.
                content = await asyncio.to_thread(mail.as_bytes, policy=SMTPUTF8 if _needs_utf8(mail) else SMTP)
                await self._send(mail, content, timeout_seconds)
        except (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError) as error:
            raise TransientFailure(_format_reason(error.code, error.message)) from error
        except _REPLY_ERRORS as error:
            raise _failure(_reply(error)) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise _failure_without_utf8(mail) from error
        except TimeoutError as error:
            raise TransientFailure("no answer in time") from error
        except (OSError, aiosmtplib.SMTPException) as error:
            raise TransientFailure(_sanitize(f"{type(error).__name__}: {error}")) from error

    async def close(self) -> None:
        """Close the idle connections."""
        connections, self._idle_connections = self._idle_connections, []
        await asyncio.gather(*(_quit(connection.client) for connection in connections))

    async def _send(self, mail: EmailMessage, content: bytes, timeout_seconds: float) -> None:
        connection = await self._take_idle_connection()
        if connection is not None:
            try:
                await self._transmit(connection, mail, content)
            except _REPLY_ERRORS as error:
                # The server ends this connection, and has not accepted the mail.
                if _reply(error).code != _CLOSING_CODE:
                    raise
            else:
                return
        connection = _Connection(_create_client(self._server, mail, timeout_seconds))
        _ = await connection.client.connect()
        await self._transmit(connection, mail, content)

    async def _take_idle_connection(self) -> _Connection | None:
        """Return an idle connection that still works, without the rest of an earlier mail. None if there is none."""
        while self._idle_connections:
            connection = self._idle_connections.pop()
            if connection.is_exhausted:
                await _quit(connection.client)
                continue
            try:
                _ = await connection.client.rset(timeout=RESET_TIMEOUT_SECONDS)
            except (OSError, aiosmtplib.SMTPException):
                connection.client.close()
            except BaseException:
                connection.client.close()
                raise
            else:
                return connection
        return None

    async def _transmit(self, connection: _Connection, mail: EmailMessage, content: bytes) -> None:
        """Send a mail. The connection is kept if the server has accepted or rejected the mail as a whole."""
        is_usable = False
        options = ["SMTPUTF8"] if _needs_utf8(mail) else []
        try:
            _ = await connection.client.sendmail(
                _address(mail, "From"), _address(mail, "To"), content, mail_options=options
            )
            is_usable = True
        except _REPLY_ERRORS as error:
            is_usable = _reply(error).code != _CLOSING_CODE
            raise
        finally:
            connection.mail_count += 1
            # Nothing is awaited here: a timeout now would make an accepted mail look like a failed one.
            if is_usable and connection.client.is_connected:
                self._idle_connections.append(connection)
            else:
                connection.client.close()


def _create_client(server: Server, mail: EmailMessage, timeout_seconds: float) -> aiosmtplib.SMTP:
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


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Send QUIT and close the connection. No mail is in transmission, so errors are ignored."""
    try:
        with suppress(OSError, aiosmtplib.SMTPException):
            async with asyncio.timeout(QUIT_TIMEOUT_SECONDS):
                await client.quit()
    finally:
        client.close()


def _reply(
    error: aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused,
) -> aiosmtplib.SMTPResponseException:
    """The error with the code of the reply. A mail has one receiver."""
    return error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error


def _failure(error: aiosmtplib.SMTPResponseException) -> TransientFailure | PermanentFailure:
    is_final = error.code in _PERMANENT_CODES and error.code not in _CONFIGURATION_CODES
    return (PermanentFailure if is_final else TransientFailure)(_format_reason(error.code, error.message))


def _address(mail: EmailMessage, header: str) -> str:
    address: str = mail[header].addresses[0].addr_spec
    return address


def _needs_utf8(mail: EmailMessage) -> bool:
    """True if an address is not in ASCII. All else is encoded in ASCII."""
    return not (_address(mail, "From") + _address(mail, "To")).isascii()


def _failure_without_utf8(mail: EmailMessage) -> TransientFailure | PermanentFailure:
    """The failure for a server without SMTPUTF8. Only the address of the receiver is a property of the mail."""
    is_final = not _address(mail, "To").isascii()
    return (PermanentFailure if is_final else TransientFailure)(failure.UNREACHABLE_MAILBOX)


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
