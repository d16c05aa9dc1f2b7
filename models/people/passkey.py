"""A passkey is a key on a user's device. It signs in without address and password, and is a second factor.

    begin_registration --> the browser creates a key --> add --> passkey --remove--> none

Phishing pages get no use out of it: the browser signs only for the domain of the installation. The first second factor
of a user, an authenticator app or a passkey, brings recovery codes and ends the user's other sessions. The password
stays, so the removal of the last passkey locks no user out; it is the end of the second factor if there is no app.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from auth import passkeys
from auth.passkeys import InvalidPasskeyError, NewPasskey
from database import db, keys
from i18n import mark
from models.access import one_time_code
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.audit import event
from models.audit.event_type import EventType
from models.base import naming
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.validation import Validation
from models.outbox.message_kind import MessageKind
from models.people import passkey_challenge, session, user
from models.people.passkey_challenge import Purpose

MAX_PER_USER: Final = 20
MAX_NAME: Final = 100


# ---- Reading ---------------------------------------------------------------------------------


class PasskeyRow(db.Row):
    """A passkey, without its key."""

    graphql_type = "Passkey"

    id: UUID
    user_id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    is_backed_up: bool


_COLUMNS: Final = db.select_list(db.columns_of("p", PasskeyRow))
_OF_USER: Final = f"SELECT {_COLUMNS} FROM passkeys p WHERE p.user_id = $1 ORDER BY p.created_at DESC, p.id DESC"
_BY_IDS: Final = f"SELECT {_COLUMNS} FROM passkeys p WHERE p.id = ANY($1::uuid[])"


async def of_user(user_id: UUID) -> list[PasskeyRow]:
    """A user's passkeys, the newest first."""
    return await db.fetch(_OF_USER, user_id, row=PasskeyRow)


async def by_ids(ids: list[UUID]) -> list[PasskeyRow | None]:
    """The passkeys with these ids, in this order. None for an id of none."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=PasskeyRow))


class _CredentialId(db.Row):
    credential_id: bytes


_CREDENTIAL_IDS: Final = "SELECT credential_id FROM passkeys WHERE user_id = $1 ORDER BY id"


async def load_credential_ids(user_id: UUID) -> list[bytes]:
    """The ids of a user's passkeys, for browsers."""
    return [row.credential_id for row in await db.fetch(_CREDENTIAL_IDS, user_id, row=_CredentialId)]


# ---- Registration ----------------------------------------------------------------------------


@reauthenticates(ReauthenticationCase.ALWAYS)
async def begin_registration(caller: Caller) -> str:
    """Return the options with which a browser creates a passkey for the caller, as JSON.

    Raises:
        Refusal: INVALID_STATE if the user has MAX_PER_USER passkeys, or the installation has no domain.
        RateLimited: the user has asked for too many challenges.
    """
    party, user_id = passkey_challenge.relying_party(caller), caller.user()
    credential_ids = await load_credential_ids(user_id)
    if len(credential_ids) >= MAX_PER_USER:
        raise _too_many()
    login = await user.User.get(id=user_id)
    challenge = await passkey_challenge.issue(caller, Purpose.REGISTRATION)
    return await asyncio.to_thread(
        passkeys.creation_options,
        party,
        challenge,
        user_id=login.id,
        user_email=login.email,
        user_name=login.name,
        credential_ids=credential_ids,
    )


@dataclass(frozen=True, slots=True)
class AddedPasskey:
    """A passkey that was just added. Recovery codes are available only here; None if the user had a second factor."""

    id: UUID
    recovery_codes: list[str] | None = field(repr=False)


@reauthenticates(ReauthenticationCase.ALWAYS)
async def add(caller: Caller, *, credential: str, name: str) -> AddedPasskey:
    """Store the passkey that the caller's browser has created with the options of `begin_registration`.

    Raises:
        Refusal: REQUIRED, TOO_LONG, INVALID; INVALID_CREDENTIALS for a credential that does not fit an open challenge
            of the session, ALREADY_EXISTS, INVALID_STATE if the user has MAX_PER_USER passkeys.
        Unauthenticated: the session has ended.
    """
    with Validation() as check:
        name = check.line("name", name, max_length=MAX_NAME)
    new_passkey = await _verify(caller, credential)
    async with db.transaction():
        login = await user.lock(caller.user())
        # A session that was ended meanwhile adds no passkey. The new one could renew the proof as well.
        _ = await session.renew_proof(caller)
        if len(await load_credential_ids(login.id)) >= MAX_PER_USER:
            raise _too_many()
        is_first_factor = not await one_time_code.is_required(login.id)
        passkey_id = await _insert(caller, new_passkey, name)
        await event.record(caller, EventType.PASSKEY_ADD, after={"passkey": str(passkey_id), "name": name})
        await one_time_code.mail_user(
            caller,
            login.id,
            MessageKind.PASSKEY_ADDED,
            passkey_name=naming.text(name, login.id) or "",
            changes_sign_in="yes" if is_first_factor else "",
        )
        if not is_first_factor:
            return AddedPasskey(passkey_id, None)
        await session.end_others(caller, login.id)
        return AddedPasskey(passkey_id, await one_time_code.renew_recovery_codes(login.id))


async def _verify(caller: Caller, text: str) -> NewPasskey:
    party = passkey_challenge.relying_party(caller)
    try:
        credential = passkeys.parse(text)
        await passkey_challenge.consume(caller, Purpose.REGISTRATION, credential.challenge)
        return await asyncio.to_thread(passkeys.verify_registration, party, credential)
    except InvalidPasskeyError as error:
        raise refuse(
            UserErrorCode.INVALID_CREDENTIALS,
            "credential",
            mark("This passkey could not be added. Begin again, on a device with a screen lock."),
        ) from error


_INSERT: Final = """
INSERT INTO passkeys (id, user_id, name, credential_id, public_key, sign_count, is_backed_up, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING
"""


async def _insert(caller: Caller, new: NewPasskey, name: str) -> UUID:
    passkey_id, user_id = keys.uuid7(), caller.user()
    values = (name, new.credential_id, new.public_key, new.sign_count, new.is_backed_up, caller.now)
    if not await db.execute(_INSERT, passkey_id, user_id, *values):
        raise refuse(UserErrorCode.ALREADY_EXISTS, "credential", mark("This passkey has been added already."))
    return passkey_id


def _too_many() -> Refusal:
    return refuse(
        UserErrorCode.INVALID_STATE,
        None,
        mark("You have %(count)s passkeys. Remove one before you add another."),
        count=MAX_PER_USER,
    )


# ---- Changes ---------------------------------------------------------------------------------


class _Name(db.Row):
    name: str


_LOCK: Final = "SELECT name FROM passkeys WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE"
_RENAME: Final = "UPDATE passkeys SET name = $2 WHERE id = $1"


async def rename(caller: Caller, passkey_id: UUID, *, name: str) -> UUID:
    """Change the name of one of the caller's passkeys. Returns its id. Raises Refusal NOT_FOUND, REQUIRED, TOO_LONG."""
    with Validation() as check:
        name = check.line("name", name, max_length=MAX_NAME)
    async with db.transaction():
        former = await db.fetch_one(_LOCK, passkey_id, caller.user(), row=_Name)
        if former is None:
            raise not_found("passkey_id")
        if former.name != name:
            await db.execute(_RENAME, passkey_id, name)
            passkey = {"passkey": str(passkey_id)}
            await event.record(
                caller,
                EventType.PASSKEY_RENAME,
                before={**passkey, "name": former.name},
                after={**passkey, "name": name},
            )
    return passkey_id


_REMOVE: Final = "DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name"


@reauthenticates(ReauthenticationCase.ALWAYS)
async def remove(caller: Caller, passkey_id: UUID) -> UUID:
    """Remove one of the caller's passkeys, and end the other sessions that it started. Returns its id.

    Raises Refusal NOT_FOUND.
    """
    async with db.transaction():
        login = await user.lock(caller.user())
        await session.end_of_passkeys(caller, login.id, [passkey_id])
        passkey = await db.fetch_one(_REMOVE, passkey_id, login.id, row=_Name)
        if passkey is None:
            raise not_found("passkey_id")
        await _record_removal(caller, login.id, passkey_id, passkey.name)
    return passkey_id


class _RemovedPasskey(db.Row):
    id: UUID
    name: str


_IDS: Final = "SELECT id, name FROM passkeys WHERE user_id = $1 AND created_at >= $2 ORDER BY id"
_REMOVE_ALL: Final = "DELETE FROM passkeys WHERE id = ANY($1::uuid[])"


async def remove_since(caller: Caller, user_id: UUID, since: datetime) -> bool:
    """Remove the passkeys that a user has added since an instant. True if there were any.

    Runs in the caller's transaction, which has locked the user, and ends sessions and recovery codes itself.
    """
    removed_passkeys = await db.fetch(_IDS, user_id, since, row=_RemovedPasskey)
    await db.execute(_REMOVE_ALL, [passkey.id for passkey in removed_passkeys])
    for passkey in removed_passkeys:
        await event.record(
            caller,
            EventType.PASSKEY_REMOVE,
            actor_id=user_id,
            before={"passkey": str(passkey.id), "name": passkey.name},
        )
    return bool(removed_passkeys)


async def _record_removal(caller: Caller, user_id: UUID, passkey_id: UUID, name: str) -> None:
    has_factor = await one_time_code.is_required(user_id)
    if not has_factor:
        await one_time_code.delete_recovery_codes(user_id)
    await event.record(caller, EventType.PASSKEY_REMOVE, before={"passkey": str(passkey_id), "name": name})
    await one_time_code.mail_user(
        caller,
        user_id,
        MessageKind.PASSKEY_REMOVED,
        passkey_name=naming.text(name, user_id) or "",
        changes_sign_in="" if has_factor else "yes",
    )
