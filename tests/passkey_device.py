"""A device with passkeys and the browser on it, for tests: WebAuthn in software, with keys of P-256 (ES256)."""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.api import PUBLIC_URL, Api, Person

_PRESENT, _VERIFIED, _BACKUP_ELIGIBLE, _BACKED_UP, _ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Device:
    """A device that holds one passkey, and the page on which it is used.

    Tests change its fields to misbehave: another origin, another domain, no user verification, a counter that stays.
    """

    origin: str = PUBLIC_URL
    domain: str | None = None
    """Overrides the domain of the options."""
    verifies_user: bool = True
    is_backed_up: bool = True
    cross_origin: bool = False
    counts: bool = False
    """True if the counter moves on with each signature."""
    attestation: str = "none"
    sign_count: int = 0
    user_handle: str | None = None
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options_text: str, *, challenge: str | None = None) -> str:
        """The credential of `navigator.credentials.create()`, as JSON."""
        options = json.loads(options_text)
        self.user_handle = options["user"]["id"]
        client_data = self._client_data("webauthn.create", options["challenge"] if challenge is None else challenge)
        public_numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: public_numbers.x.to_bytes(32), -3: public_numbers.y.to_bytes(32)}
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor2.dumps(key)
        authenticator_data = self._authenticator_data(options["rp"]["id"], _ATTESTED) + attested
        statement: dict[str, object] = {}
        if self.attestation == "packed":
            signed = authenticator_data + hashlib.sha256(client_data).digest()
            statement = {"alg": -7, "sig": self.key.sign(signed, ec.ECDSA(hashes.SHA256()))}
        content = {"fmt": self.attestation, "attStmt": statement, "authData": authenticator_data}
        response: dict[str, object] = {
            "clientDataJSON": encode(client_data),
            "attestationObject": encode(cbor2.dumps(content)),
        }
        return self._credential(response)

    def sign(self, options_text: str, *, challenge: str | None = None) -> str:
        """The credential of `navigator.credentials.get()`, as JSON."""
        options = json.loads(options_text)
        self.sign_count += self.counts
        client_data = self._client_data("webauthn.get", options["challenge"] if challenge is None else challenge)
        authenticator_data = self._authenticator_data(options["rpId"], 0)
        signed = authenticator_data + hashlib.sha256(client_data).digest()
        response: dict[str, object] = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(authenticator_data),
            "signature": encode(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": self.user_handle,
        }
        return self._credential(response)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        content = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps(content).encode()

    def _authenticator_data(self, domain: str, more_flags: int) -> bytes:
        flags = _PRESENT | more_flags | (_VERIFIED if self.verifies_user else 0)
        flags |= (_BACKUP_ELIGIBLE | _BACKED_UP) if self.is_backed_up else 0
        digest = hashlib.sha256((self.domain or domain).encode()).digest()
        return digest + struct.pack(">BI", flags, self.sign_count)

    def _credential(self, response: dict[str, object]) -> str:
        key = encode(self.credential_id)
        content = {"id": key, "rawId": key, "type": "public-key", "response": response, "clientExtensionResults": {}}
        return json.dumps(content)


# ---- Steps -----------------------------------------------------------------------------------


async def begin_registration(api: Api, by: Person | str) -> str:
    payload = await api.do("beginPasskeyRegistration", None, "options", by=by)
    assert payload["errors"] == []
    options: str = payload["options"]
    return options


async def begin_sign_in(api: Api) -> str:
    payload = await api.do("beginPasskeySignIn", None, "options")
    assert payload["errors"] == []
    options: str = payload["options"]
    return options


async def begin_reauthentication(api: Api, by: Person | str) -> str:
    payload = await api.do("beginPasskeyReauthentication", None, "options", by=by)
    assert payload["errors"] == []
    options: str = payload["options"]
    return options


SELECTION = "passkey { id name createdAt lastUsedAt isBackedUp } recoveryCodes viewer { passkeys { id } }"


async def try_to_add(api: Api, by: Person | str, credential: str, name: str = "Phone") -> dict[str, Any]:
    return await api.do("addPasskey", {"credential": credential, "name": name}, SELECTION, by=by)


async def add_passkey(api: Api, by: Person, device: Device | None = None, name: str = "Phone") -> Device:
    """Add a passkey. Returns its device."""
    device = device or Device()
    payload = await try_to_add(api, by, device.create(await begin_registration(api, by)), name)
    assert payload["errors"] == []
    return device


async def sign_in(api: Api, credential: str) -> dict[str, Any]:
    return await api.do("signInWithPasskey", {"credential": credential}, "accessToken viewer { user { id } }")


async def passkey_ids(api: Api, by: Person | str) -> list[str]:
    response = await api.ask("{ viewer { passkeys { id } } }", by=by)
    return [passkey["id"] for passkey in response.data["viewer"]["passkeys"]]
