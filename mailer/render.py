"""Making a mail of an outbox row: its words in the receiver's language, its link, its look.

Each kind of message has a folder in `templates/` with `text.txt` and `body.html`; both say the
same. What users wrote comes in through `harmless`, HTML escapes the rest, and a name that a
template misspells is an error, never an empty place.
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
from auth.policy import Role
from mailer import escape
from models.outbox.message import SUBJECTS, LinkPurpose, MessageKind, OutgoingRow

_BLANK_LINES: Final = re.compile(r"\n{3,}")
TEMPLATES: Final = Path(__file__).parent / "templates"

PATHS: Final[dict[str, str]] = {
    LinkPurpose.INVITATION: "/invitation",
    LinkPurpose.ACTIVATION: "/activate",
    LinkPurpose.RESET: "/reset",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as its reader sees it; its links work, so its repr shows none."""

    subject: str
    to: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    links: tuple[str, ...] = field(repr=False)


def render(row: OutgoingRow, link_key: str, public_url: str) -> Mail:
    """The mail of `row`; `link_key` makes its link work, `public_url` is all the link is made of."""
    token = link_token(row, link_key)
    link = f"{public_url}{PATHS[row.link_purpose]}#{token}" if token and row.link_purpose else None
    spoken = _spoken(orjson.loads(row.params), row.locale)
    # Anew, and not the row's: there, users' words stand as they wrote them.
    subject = i18n.translate(row.locale, SUBJECTS[MessageKind(row.kind)], **spoken)
    words = {
        "locale": row.locale,
        "subject": subject,
        "link": link,
        "to_name": escape.line(row.to_name) if row.to_name else None,
        **spoken,
    }
    return Mail(
        subject=subject,
        to=row.to_address,
        text=_BLANK_LINES.sub("\n\n", _template(f"{row.kind}/text.txt").render(words)).strip() + "\n",
        html=_INLINER.inline(_template(f"{row.kind}/body.html").render(words)),
        links=(link,) if link else (),
    )


def link_token(row: OutgoingRow, link_key: str) -> str | None:
    """The token of a message's link; None where it has no link."""
    if row.link_purpose is None or row.link_seed is None:
        return None
    return tokens.derive(link_key, row.link_purpose, row.link_seed)


def _users_line(value: str, _: str) -> str:
    return escape.line(value)


def _users_prose(value: str, _: str) -> str:
    return escape.prose(value)


def _as_given(value: str, _: str) -> str:
    return value


def _role(value: str, locale: str) -> str:
    return i18n.translate(locale, labels.ROLE_NAMES[Role(value)])


def _instant(value: str, locale: str) -> str:
    return i18n.format_instant(locale, datetime.fromisoformat(value))


_SPOKEN: Final[dict[str, Callable[[str, str], str]]] = {
    "role": _role,
    "expires_at": _instant,
    "ends_at": _instant,
    "message": _users_prose,
    # Addresses were checked when they were given, and are there to be copied: a space would spoil them.
    "invitee_email": _as_given,
    "invited_email": _as_given,
    "requester_email": _as_given,
}


def _spoken(params: dict[str, str | None], locale: str) -> dict[str, str | None]:
    """The params as a reader of `locale` reads them; what has no rule of its own is a user's line."""
    return {
        name: value if value is None else _SPOKEN.get(name, _users_line)(value, locale)
        for name, value in params.items()
    }


@pass_context
def _gettext(context: Context, text: str) -> str:
    return i18n.OURS.find(context["locale"], text)


@pass_context
def _ngettext(context: Context, one: str, many: str, n: int) -> str:
    return i18n.OURS.find_plural(context["locale"], one, many, n)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # The extension adds this method, which types do not know.
    environment.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
    return environment


_ENVIRONMENT: Final = _environment()
_template = cache(_ENVIRONMENT.get_template)
# Never fetches what a template links to.
_INLINER: Final = CSSInliner(load_remote_stylesheets=False)


def page(template: str, **words: object) -> str:
    """A page of the development mailbox, in English."""
    return _template(template).render(locale=i18n.DEFAULT, **words)
