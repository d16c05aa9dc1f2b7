"""Passkeys: the ceremonies of WebAuthn for one relying party, without storage.

    registration: options with a challenge --> browser, navigator.credentials.create() --> new public key
    assertion:    options with a challenge --> browser, navigator.credentials.get()    --> signature of the challenge

The caller stores the challenge and the public key. The functions with options, and those that verify, import the
library `webauthn` when they run, because that takes most of a second and most servers seldom need it. Call them in a
thread.
"""

import ipaddress
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

CHALLENGE_BYTES: Final = 32
TIMEOUT_SECONDS: Final = 300
MAX_CREDENTIAL_ID: Final = 1023
"""The maximum length of an id, in bytes, by the standard."""
MAX_PUBLIC_KEY: Final = 2048
"""The maximum length of a public key, in bytes. An RSA key of 8192 bits has half of it."""
_NAME: Final = "Fullmakt"


T = TypeVar("T")


class InvalidPasskeyError(Exception):
    """A credential that proves nothing: malformed, for another site, without user verification, wrongly signed."""


# ---- Relying party ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The site that passkeys belong to: its domain, and the origins of the pages that may use them."""

    id: str
    origins: tuple[str, ...]


def relying_party(public_url: str, allowed_origins: Sequence[str] = ()) -> RelyingParty | None:
    """The relying party of an installation, from its address and from the other origins of its pages.

    Its domain is the host of the address. Other origins count if their host is this domain or below it, as browsers
    demand. None if the host is an IP address, which has no passkeys; a loopback address counts as `localhost`.
    """
    parts = urlsplit(public_url)
    host, port = (parts.hostname or "").lower(), parts.port
    try:
        if not ipaddress.ip_address(host).is_loopback:
            return None
        host = "localhost"
    except ValueError:
        pass
    has_default_port = port in {None, 443 if parts.scheme == "https" else 80}
    origin = f"{parts.scheme}://{host}{'' if has_default_port else f':{port}'}"
    hosts = {text: urlsplit(text) for text in allowed_origins}
    other_origins = [
        text
        for text, url in hosts.items()
        if url.scheme in {"http", "https"} and f".{url.hostname}".endswith(f".{host}")
    ]
    return RelyingParty(host, tuple(dict.fromkeys((origin, *other_origins))))


# ---- Credentials -----------------------------------------------------------------------------


class _ResponseJSON(msgspec.Struct):
    client_data: str = msgspec.field(name="clientDataJSON")
    user_handle: str | None = msgspec.field(name="userHandle", default=None)


class _CredentialJSON(msgspec.Struct):
    id: str
    response: _ResponseJSON


class _ClientDataJSON(msgspec.Struct):
    challenge: str
    cross_origin: bool = msgspec.field(name="crossOrigin", default=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as a browser sends it. Nothing of it is verified."""

    text: str
    id: bytes
    challenge: bytes
    user_handle: bytes | None
    is_from_frame: bool
    """True if a page of another site has the page that asked for it in a frame."""


def parse(text: str) -> Credential:
    """Read the id, the challenge and the user of a credential. Raises InvalidPasskeyError."""
    try:
        credential = msgspec.json.decode(text, type=_CredentialJSON)
        response = credential.response
        client_data = msgspec.json.decode(_decode(response.client_data), type=_ClientDataJSON)
        user_handle = None if response.user_handle is None else _decode(response.user_handle)
        challenge = _decode(client_data.challenge)
        return Credential(text, _decode(credential.id), challenge, user_handle, client_data.cross_origin)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidPasskeyError from error


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _run(verify: Callable[[], T]) -> T:
    """Run a check of the library. Raises InvalidPasskeyError for each of its errors."""
    try:
        return verify()
    except Exception as error:  # noqa: BLE001 - malformed CBOR, ASN.1 and keys raise errors of many libraries
        reason = type(error).__name__
    raise InvalidPasskeyError(reason)


# ---- Registration ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """The parts of a new passkey that the caller stores."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    is_backed_up: bool


def creation_options(
    party: RelyingParty,
    challenge: bytes,
    *,
    user_id: UUID,
    user_email: str,
    user_name: str,
    credential_ids: Sequence[bytes],
) -> str:
    """The options for `navigator.credentials.create()`, as JSON. `credential_ids` are the passkeys that exist.

    The passkey is discoverable, so that sign-in needs no address. No attestation is asked for: it would tell the make
    of the device, and no device is refused.
    """
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 - as the docstring above says
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=party.id,
        rp_name=_NAME,
        user_id=user_id.bytes,
        user_name=user_email,
        user_display_name=user_name,
        challenge=challenge,
        timeout=TIMEOUT_SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in credential_ids],
    )
    return options_to_json(options)


def verify_registration(party: RelyingParty, credential: Credential) -> NewPasskey:
    """Verify a new passkey. The caller has verified its challenge. Raises InvalidPasskeyError."""
    from webauthn import verify_registration_response  # noqa: PLC0415

    verified = _run(
        partial(
            verify_registration_response,
            credential=credential.text,
            expected_challenge=credential.challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    )
    is_too_long = (
        len(verified.credential_id) > MAX_CREDENTIAL_ID or len(verified.credential_public_key) > MAX_PUBLIC_KEY
    )
    if credential.is_from_frame or is_too_long:
        raise InvalidPasskeyError
    return NewPasskey(
        verified.credential_id, verified.credential_public_key, verified.sign_count, verified.credential_backed_up
    )


# ---- Assertion -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assertion:
    """The state of a passkey by a verified assertion."""

    sign_count: int
    is_backed_up: bool


def request_options(party: RelyingParty, challenge: bytes, *, credential_ids: Sequence[bytes] = ()) -> str:
    """The options for `navigator.credentials.get()`, as JSON. Without `credential_ids` the user chooses a passkey."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=TIMEOUT_SECONDS * 1000,
        allow_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in credential_ids],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def verify_assertion(party: RelyingParty, credential: Credential, public_key: bytes) -> Assertion:
    """Verify an assertion. The caller has verified its challenge, and compares the counter.

    Raises InvalidPasskeyError.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415

    verified = _run(
        partial(
            verify_authentication_response,
            credential=credential.text,
            expected_challenge=credential.challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    )
    if credential.is_from_frame:
        raise InvalidPasskeyError
    return Assertion(verified.new_sign_count, verified.credential_backed_up)
