"""Resolvers of the viewer's own passkeys, and of sign-in with them. Other users cannot see them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from models.people import passkey, passkey_assertion
from models.people.passkey import AddedPasskey, PasskeyRow
from resolvers import ids
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.session import load_sign_in_payload


async def by_ids(keys: list[UUID], _: Context) -> Sequence[Any]:
    """The passkeys with these ids. None for an id of none."""
    return await passkey.by_ids(keys)


async def of_viewer(parents: Sequence[object], info: Info) -> list[list[PasskeyRow]]:
    """The caller's passkeys."""
    return [await passkey.of_user(info.context.caller.user())] * len(parents)


async def _load_options_payload(_: Context, options: str) -> dict[str, object]:
    return {"options": options}


async def _load_addition_payload(context: Context, added: AddedPasskey) -> dict[str, object]:
    return await _load_passkey_payload(context, added.id) | {"recovery_codes": added.recovery_codes}


async def _load_passkey_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"passkey": (await passkey.by_ids([key]))[0], "viewer": context.session}


async def _load_removal_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"passkey_id": ids.encode("Passkey", key), "viewer": context.session}


begin_registration = mutation_resolver(passkey.begin_registration, _load_options_payload)
add = mutation_resolver(passkey.add, _load_addition_payload)
rename = mutation_resolver(passkey.rename, _load_passkey_payload)
remove = mutation_resolver(passkey.remove, _load_removal_payload)
begin_sign_in = mutation_resolver(passkey_assertion.begin_sign_in, _load_options_payload)
sign_in = mutation_resolver(passkey_assertion.sign_in, load_sign_in_payload)
begin_reauthentication = mutation_resolver(passkey_assertion.begin_reauthentication, _load_options_payload)
