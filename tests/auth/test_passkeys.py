"""The relying party of an installation, and the import of the library."""

import subprocess
import sys

import pytest

from auth.passkeys import RelyingParty, relying_party


@pytest.mark.parametrize(
    ("url", "origins", "party"),
    [
        ("https://app.example.com", (), RelyingParty("app.example.com", ("https://app.example.com",))),
        ("https://app.example.com/fullmakt", (), RelyingParty("app.example.com", ("https://app.example.com",))),
        ("https://App.example.com:443", (), RelyingParty("app.example.com", ("https://app.example.com",))),
        ("https://app.example.com:8443", (), RelyingParty("app.example.com", ("https://app.example.com:8443",))),
        ("http://127.0.0.1:8000", (), RelyingParty("localhost", ("http://localhost:8000",))),
        ("http://[::1]:8000", (), RelyingParty("localhost", ("http://localhost:8000",))),
        ("http://localhost:8000", (), RelyingParty("localhost", ("http://localhost:8000",))),
        (
            "https://example.com",
            ("https://app.example.com", "https://example.com", "https://example.com:8443"),
            RelyingParty("example.com", ("https://example.com", "https://app.example.com", "https://example.com:8443")),
        ),
        (
            "https://example.com",
            ("https://badexample.com", "https://example.com.evil.net", "https://com", "capacitor://localhost"),
            RelyingParty("example.com", ("https://example.com",)),
        ),
        ("https://192.0.2.7", (), None),
        ("https://[2001:db8::1]", ("https://example.com",), None),
    ],
)
def test_relying_party_is_the_public_host(url: str, origins: tuple[str, ...], party: RelyingParty | None) -> None:
    assert relying_party(url, origins) == party


def test_server_starts_without_the_library() -> None:
    """The import takes most of a second. The first use of a passkey does it, in a thread."""
    script = "import sys, app; sys.exit(any(name in sys.modules for name in ('webauthn', 'cryptography', 'OpenSSL')))"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
