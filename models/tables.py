"""The database schema of the product, for `database`: the Python modules of its tables and the privileges on them.

Each installed module (modules.py) adds its own part.
"""

from typing import Final

import modules
from database.db import DatabaseSchema
from i18n import mark
from models.base.errors import Refusal, UserErrorCode, refuse


def _erased_user() -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, None, mark("This person has no login any more."))


SCHEMA: Final = DatabaseSchema(
    modules=(
        "models.people.user",
        "models.people.mailed_link",
        "models.people.session",
        "models.accounts.account",
        "models.billing.subscription",
        "models.access.grant",
        "models.sharing.invitation",
        "models.bureaus.engagement",
        "models.sharing.ownership",
        "models.sharing.access_request",
        "models.audit.event",
        "models.outbox.message",
    ),
    migrations="models.migrations",
    read_only=("event_links", "erasures", "former_addresses", "tortoise_migrations"),
    append_only=("events", "subscription_entries"),
    functions=(
        "forget_person(uuid, uuid[], timestamptz)",
        "finish_erasure(uuid, timestamptz)",
        "change_address(text, text, timestamptz)",
    ),
    constraint_errors={"erased_users_stay_away": _erased_user},
    contractions=dict.fromkeys(
        ("0002_event_chain", "0011_guesses", "0014_mail_bounds", "0017_named_people", "0020_idempotency"),
        "No server of a release runs on the schema before it.",
    ),
    parts=tuple(modules.table_parts("SCHEMA")),
)
