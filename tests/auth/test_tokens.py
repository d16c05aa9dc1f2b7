"""Random tokens, derived tokens and digests."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from auth import tokens

SEED = st.binary(min_size=32, max_size=32)


def test_random_token_has_256_bits() -> None:
    random_tokens = {tokens.random_token() for _ in range(1000)}

    assert len(random_tokens) == 1000
    assert {len(token) for token in random_tokens} == {43}
    assert len(tokens.seed()) == 32


def test_digest_is_sha256() -> None:
    assert tokens.digest("token") == hashlib.sha256(b"token").digest()


@given(SEED, st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_derived_token_depends_on_key_and_purpose(seed: bytes, purpose: str, other_purpose: str) -> None:
    token = tokens.derive("key", purpose, seed)

    assert token == tokens.derive("key", purpose, seed)
    assert len(token) == 43
    assert (token == tokens.derive("key", other_purpose, seed)) == (purpose == other_purpose)
    assert token != tokens.derive("another key", purpose, seed)


@given(SEED, SEED)
def test_derived_token_depends_on_seed(seed: bytes, other_seed: bytes) -> None:
    assert (tokens.derive("key", "reset", seed) == tokens.derive("key", "reset", other_seed)) == (seed == other_seed)
