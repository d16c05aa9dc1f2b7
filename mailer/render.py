"""Rendering of an outbox row as a mail: subject, text, HTML and link in the recipient's language.

Each kind of message has a folder in `templates/` with `text.txt` and `body.html`, with the same
content. Users' texts pass through `escape`; the HTML template escapes all values. An unknown variable
in a template is an error.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

import orjson
from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

import i18n
from auth import labels, tokens
from auth.policy import Permission, Role
from mailer import escape
from models.outbox import block, failure
from models.outbox.block import Blockable
from models.outbox.delivery import OutgoingRow
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people import mailed_code

MAX_NAME_LENGTH: Final = 80
"""Characters of a name in a mail. Users choose names: a longer one could carry a message of its own."""
UNSUBSCRIBE_PATH: Final = "/unsubscribe"
_BLANK_LINES: Final = re.compile(r"\n{3,}")
TEMPLATES: Final = Path(__file__).parent / "templates"

PATHS: Final[dict[str, str]] = {
    LinkPurpose.INVITATION: "/invitation",
    LinkPurpose.ACTIVATION: "/activate",
    LinkPurpose.RESET: "/reset",
    LinkPurpose.EMAIL_CHANGE: "/email",
    LinkPurpose.EMAIL_UNDO: "/email-undo",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A rendered message. Its repr hides the links, because they contain tokens."""

    subject: str
    to: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    links: tuple[str, ...] = field(repr=False)
    unsubscribe_url: str | None = field(repr=False)
    """The page on which the receiver stops mails of this kind. None for a kind that cannot be blocked."""


def render(row: OutgoingRow, link_key: str, public_url: str) -> Mail:
    """The mail of `row`. The link is `public_url`, a path, and a token derived with `link_key`."""
    token = link_token(row, link_key)
    link = f"{public_url}{PATHS[row.link_purpose]}#{token}" if token and row.link_purpose else None
    blockable = block.of_message(link_key, MessageKind(row.kind), row.to_address)
    stop_url = None if blockable is None else unsubscribe_url(link_key, public_url, blockable)
    params = _format_params(_with_code(orjson.loads(row.params), link_key), row.locale)
    # Not the row's subject: it contains users' texts unescaped.
    subject = i18n.translate(row.locale, MessageKind(row.kind).subject, **params)
    variables = {
        "locale": row.locale,
        "subject": subject,
        "link": link,
        "unsubscribe_url": stop_url,
        "to_name": escape.line(row.to_name) if row.to_name else None,
        **params,
    }
    return Mail(
        subject=subject,
        to=row.to_address,
        text=_BLANK_LINES.sub("\n\n", _template(f"{row.kind}/text.txt").render(variables)).strip() + "\n",
        html=_INLINER.inline(_template(f"{row.kind}/body.html").render(variables)),
        links=(link,) if link else (),
        unsubscribe_url=stop_url,
    )


def link_token(row: OutgoingRow, link_key: str) -> str | None:
    """The token of a message's link. None if the message has no link."""
    if row.link_purpose is None or row.link_seed is None:
        return None
    return tokens.derive(link_key, row.link_purpose, row.link_seed)


def unsubscribe_url(link_key: str, public_url: str, blockable: Blockable) -> str:
    """The URL of the page on which a receiver stops mails of a kind."""
    return f"{public_url}{UNSUBSCRIBE_PATH}/{blockable.kind}/{block.token(link_key, blockable)}"


def _escape_line(value: str, _: str) -> str:
    text = escape.line(value)
    return text if len(text) <= MAX_NAME_LENGTH else f"{text[: MAX_NAME_LENGTH - 1].rstrip()}…"


def _escape_names(value: str, _: str) -> str:
    return escape.line(value)


def _with_code(params: dict[str, str | None], link_key: str) -> dict[str, str | None]:
    """The params with the `code` of a `code_seed`. The code is derived here, because a database row has no secrets."""
    seed = params.get("code_seed")
    return params if seed is None else {**params, "code": mailed_code.code(link_key, seed)}


def _escape_prose(value: str, _: str) -> str:
    return escape.prose(value)


def _verbatim(value: str, _: str) -> str:
    return value


def _format_role(value: str, locale: str) -> str:
    return i18n.translate(locale, labels.ROLE_NAMES[Role(value)])


def _format_instant(value: str, locale: str) -> str:
    return i18n.format_instant(locale, datetime.fromisoformat(value))


def _format_permissions(value: str, locale: str) -> str:
    return " ".join(i18n.translate(locale, labels.PERMISSIONS[Permission(name)]) for name in value.split())


_FORMATTERS: Final[dict[str, Callable[[str, str], str]]] = {
    "role": _format_role,
    "permissions": _format_permissions,
    "failure": failure.describe,
    "expires_at": _format_instant,
    "ends_at": _format_instant,
    "message": _escape_prose,
    "client_names": _escape_names,
    # Not escaped: addresses were validated at input, and users copy them, so no space may be inserted.
    "invitee_email": _verbatim,
    "invited_email": _verbatim,
    "requester_email": _verbatim,
    "sender_email": _verbatim,
}


def _format_params(params: dict[str, str | None], locale: str) -> dict[str, str | None]:
    """The params formatted for `locale`. A param without its own formatter is escaped as a line."""
    return {
        name: value if value is None else _FORMATTERS.get(name, _escape_line)(value, locale)
        for name, value in params.items()
    }


@pass_context
def _gettext(context: Context, text: str) -> str:
    return i18n.CATALOGUES.find(context["locale"], text)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, n: int) -> str:
    return i18n.CATALOGUES.find_plural(context["locale"], singular, plural, n)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # The i18n extension adds this method at run time.
    environment.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
    return environment


_ENVIRONMENT: Final = _environment()
_template = cache(_ENVIRONMENT.get_template)
# Never fetches a style sheet from the network.
_INLINER: Final = CSSInliner(load_remote_stylesheets=False)


def render_page(template: str, locale: str = i18n.DEFAULT, **variables: object) -> str:
    """A page in a language: of the development mailbox, or for a receiver who blocks mails."""
    return _template(template).render(locale=locale, **variables)
