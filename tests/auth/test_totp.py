"""One-time codes: RFC test vectors, the time window, and protection against reuse."""

from base64 import b32decode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from auth import totp

SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=30)


RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_codes_match_rfc_4226_vectors(counter: int, code: str) -> None:
    assert totp.code(SECRET, counter) == code


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_match_rfc_6238_vectors(seconds: int, eight_digits: str) -> None:
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    assert totp.code(SECRET, totp.step_at(now)) == eight_digits[2:]


def test_code_is_accepted_one_step_before_and_after() -> None:
    step = totp.step_at(NOW)
    code = totp.code(SECRET, step)

    steps = [totp.match_step(SECRET, code, now=NOW + late * STEP) for late in range(-3, 4)]

    assert steps == [None, None, step, step, step, None, None]


def test_window_edges_are_exact() -> None:
    step, second = totp.step_at(NOW), timedelta(seconds=1)
    code = totp.code(SECRET, step)
    assert NOW.timestamp() == step * 30

    assert totp.match_step(SECRET, code, now=NOW - STEP) == step
    assert totp.match_step(SECRET, code, now=NOW - STEP - second) is None
    assert totp.match_step(SECRET, code, now=NOW + 2 * STEP - second) == step
    assert totp.match_step(SECRET, code, now=NOW + 2 * STEP) is None


def test_used_step_and_earlier_steps_are_rejected() -> None:
    step = totp.step_at(NOW)
    codes = [totp.code(SECRET, step + late) for late in (-1, 0, 1)]

    assert [totp.match_step(SECRET, code, now=NOW, after=step) for code in codes] == [None, None, step + 1]
    assert [totp.match_step(SECRET, code, now=NOW, after=step + 1) for code in codes] == [None, None, None]


@pytest.mark.parametrize("candidate", ["", "12345", "1234567", "abcdef", "żółwik", "0" * 10_000])
def test_malformed_code_is_rejected(candidate: str) -> None:
    assert totp.match_step(SECRET, candidate, now=NOW) is None


def test_uri_has_secret_account_and_parameters() -> None:
    uri = urlsplit(totp.uri(SECRET, account="anna+1@example.com", issuer="Fullmakt"))

    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Fullmakt:anna+1@example.com")
    parameters = parse_qs(uri.query, strict_parsing=True)
    assert b32decode(parameters.pop("secret")[0]) == SECRET
    assert parameters == {"issuer": ["Fullmakt"], "algorithm": ["SHA1"], "digits": ["6"], "period": ["30"]}
    assert totp.encode_secret(SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
