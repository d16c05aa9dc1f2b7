"""The parts of events that an erasure takes, their digests, and the records of erasures, for the verifier.

An erasure takes parts of events: `origin`, the IP address, and facts such as `after.email`. The digest of a taken fact
stays. `forget_person` records the parts as an event of the same chain. `ErasureCheck` finds parts that are missing
without such a record. A record counts only for parts that name its user, and only if that user is erased.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from database import db
from models.audit.event_type import EventType

RECORD_TYPES: Final = frozenset((EventType.ACCOUNT_DATA_ERASE, EventType.USER_DATA_ERASE))
ORIGIN: Final = "origin"
PERSONAL: Final = "personal"
"""The whole of a personal part that is older than the digests of facts."""
_ADDRESS: Final = "address"
_ACCOUNT: Final = "account"
_KEYS: Final = frozenset(("before", "after", "salts", "named", "digests"))
_TOLERANCE: Final = timedelta(days=1)
"""Difference of clocks between servers, and the duration of a migration."""


class Record(db.Row):
    """The columns of an event from which the verifier reads missing parts and records."""

    position: int
    event_id: UUID
    type: str
    occurred_at: datetime
    actor_id: UUID | None
    account_id: UUID | None
    after: str | None
    origin: str | None
    origin_digest: bytes | None
    personal: str | None
    personal_digest: bytes | None


# ---- Digests ---------------------------------------------------------------------------------


_MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError)
"""Errors of reading a part that an attacker has written."""


def personal_digest(personal: str) -> bytes | None:
    """The digest of a personal part, as the database function `event_personal_digest` computes it.

    None if the part is malformed, or has keys that the digest does not cover.
    """
    part = json.loads(personal)
    if not isinstance(part, dict) or "salts" not in part:
        return hashlib.sha256(personal.encode()).digest()
    try:
        return _digest_of_facts(cast("dict[str, Any]", part))
    except _MALFORMED:
        return None


def _digest_of_facts(part: Mapping[str, Any]) -> bytes | None:
    facts = {f"{side}.{name}": value for side in ("before", "after") for name, value in part.get(side, {}).items()}
    salts, digests = part["salts"], part.get("digests", {})
    named = {path: subject for subject, paths in part.get("named", {}).items() for path in paths}
    if not part.keys() <= _KEYS or salts.keys() != facts.keys() or not named.keys() <= facts.keys():
        return None
    lines = {path: _fact_line(path, value, salts[path], named.get(path, "")) for path, value in facts.items()}
    if lines.keys() & digests.keys():
        return None
    lines |= {path: f"{path} {fact['about']} {fact['digest']}" for path, fact in digests.items()}
    return hashlib.sha256("\n".join(lines[path] for path in sorted(lines, key=str.encode)).encode()).digest()


def _fact_line(path: str, value: object, salt: str, subject: str) -> str:
    text = json.dumps(value, ensure_ascii=False)  # the form of jsonb as text
    digest = hashlib.sha256(f"{salt}\n{subject}\n{text}".encode()).hexdigest()
    return f"{path} {_ADDRESS if '@' in subject else subject} {digest}"


# ---- Missing parts ---------------------------------------------------------------------------


def missing_parts(event: Record) -> dict[str, str]:
    """The parts that an event no longer has, each with what it named: a user id, "account" or "address"."""
    parts: dict[str, str] = {}
    if event.origin is None and event.origin_digest is not None:
        parts[ORIGIN] = str(event.actor_id)
    default = str(event.actor_id) if event.account_id is None else _ACCOUNT
    if event.personal is not None:
        with suppress(*_MALFORMED):  # then the digest of the part differs, too
            digests = json.loads(event.personal).get("digests", {})
            parts |= {path: fact["about"] or default for path, fact in digests.items()}
    elif event.personal_digest is not None:
        parts[PERSONAL] = _ADDRESS if "account:invitation:" in event.type else default
    return parts


@dataclass(frozen=True, slots=True)
class _Missing:
    """The missing parts of an event that no record has listed yet."""

    position: int
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A record of an erasure: the user, and the first event from which it took parts."""

    user_id: UUID | None
    recorded_at: datetime
    closes_account: bool
    position: int
    event_id: UUID


class _Erasure(db.Row):
    user_id: UUID
    erased_at: datetime
    finished_at: datetime | None


class _ClosedAccount(db.Row):
    owner_id: UUID


_ERASURES: Final = """
SELECT e.user_id, e.erased_at, e.finished_at FROM erasures e JOIN users u ON u.id = e.user_id
WHERE e.user_id = ANY($1::uuid[]) AND u.erased_at = e.erased_at AND u.password_hash IS NULL AND u.activated_at IS NULL
"""
_CLOSED: Final = "SELECT owner_id FROM accounts WHERE id = $1 AND closed_at IS NOT NULL"
_MIGRATED: Final = "SELECT applied_at FROM tortoise_migrations WHERE name = '0017_named_people'"


class _Migration(db.Row):
    applied_at: datetime


async def load_migration() -> datetime | None:
    """The time since which erasures are recorded. None if the database has no record of the migration."""
    row = await db.fetch_one(_MIGRATED, row=_Migration)
    return row.applied_at if row else None


class ErasureCheck:
    """Compares the missing parts of one chain with its records of erasures, from the first event to the last."""

    def __init__(self, chain: UUID, migrated_at: datetime | None) -> None:
        self._chain = chain
        self._last_migration_record_at = migrated_at and migrated_at + _TOLERANCE
        self._missing: dict[UUID, _Missing] = {}
        self._claims: list[_Claim] = []

    def add(self, event: Record) -> bool:
        """Read the next event. Returns true if parts of it are missing."""
        parts = missing_parts(event)
        if parts:
            self._missing[event.event_id] = _Missing(event.position, parts)
        if event.type in RECORD_TYPES:
            self._settle(event)
        if self._last_migration_record_at is not None and event.occurred_at > self._last_migration_record_at:
            self._last_migration_record_at = None
        return bool(parts)

    def _settle(self, record: Record) -> None:
        """Remove the parts that a record lists from the missing ones, if they name its user."""
        is_migrated, listed = _read(record.after)
        if is_migrated and (
            self._last_migration_record_at is None or record.occurred_at > self._last_migration_record_at
        ):
            return
        claims: dict[bool, _Claim] = {}
        for event_id, parts in listed:
            missing = self._missing.get(event_id)
            for part in parts if missing else ():
                about = missing.parts.get(part) if missing else None
                if missing is None or about is None:
                    continue
                if not is_migrated and about not in {_ADDRESS, _ACCOUNT, str(record.actor_id)}:
                    continue
                del missing.parts[part]
                claim = _Claim(record.actor_id, record.occurred_at, about == _ACCOUNT, missing.position, event_id)
                first = claims.get(claim.closes_account)
                if not is_migrated and (first is None or claim.position < first.position):
                    claims[claim.closes_account] = claim
            if missing is not None and not missing.parts:
                del self._missing[event_id]
        self._claims += claims.values()

    async def first_fault(self) -> tuple[int, UUID] | None:
        """The position and the id of the first event with a part that no lawful erasure took. None if there is none."""
        faults = [(missing.position, event_id) for event_id, missing in self._missing.items()]
        if self._claims:
            user_ids = list({claim.user_id for claim in self._claims})
            erasures = {row.user_id: row for row in await db.fetch(_ERASURES, user_ids, row=_Erasure)}
            account = await db.fetch_one(_CLOSED, self._chain, row=_ClosedAccount)
            owner_id = account.owner_id if account else None
            faults += [
                (claim.position, claim.event_id) for claim in self._claims if not _is_lawful(claim, erasures, owner_id)
            ]
        return min(faults, default=None)


def _is_lawful(claim: _Claim, erasures: Mapping[UUID, _Erasure], owner_id: UUID | None) -> bool:
    erasure = erasures.get(claim.user_id) if claim.user_id else None
    if erasure is None or (claim.closes_account and owner_id != claim.user_id):
        return False
    is_begun = claim.recorded_at >= erasure.erased_at - _TOLERANCE
    return is_begun and (erasure.finished_at is None or claim.recorded_at <= erasure.finished_at + _TOLERANCE)


def _read(after: str | None) -> tuple[bool, list[tuple[UUID, list[str]]]]:
    """The events and parts that a record lists. The flag is true for a record of the migration."""
    facts = cast("object", json.loads(after)) if after else None
    if not isinstance(facts, dict):
        return False, []
    facts = cast("dict[str, object]", facts)
    return facts.get("migrated") is True, [*_listed(facts.get("parts"))]


def _listed(parts: object) -> Iterator[tuple[UUID, list[str]]]:
    """Yield the well-formed entries of a record. An attacker may have written others."""
    for event_id, names in cast("dict[str, object]", parts).items() if isinstance(parts, dict) else ():
        try:
            key = UUID(event_id)
        except ValueError:
            continue
        if isinstance(names, list):
            yield key, [str(name) for name in cast("list[object]", names)]
