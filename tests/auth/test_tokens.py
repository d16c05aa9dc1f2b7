"""Tokens: random, derived, and what of them is kept."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from auth import tokens

SEED = st.binary(min_size=32, max_size=32)


def test_a_token_has_256_bits_of_chance() -> None:
    made = {tokens.random_token() for _ in range(1000)}

    assert len(made) == 1000
    assert {len(token) for token in made} == {43}
    assert len(tokens.seed()) == 32


def test_a_digest_is_sha256() -> None:
    assert tokens.digest("token") == hashlib.sha256(b"token").digest()


@given(SEED, st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_a_link_is_the_same_each_time_and_another_for_another_purpose_or_key(seed: bytes, one: str, other: str) -> None:
    token = tokens.derive("key", one, seed)

    assert token == tokens.derive("key", one, seed)
    assert len(token) == 43
    assert (token == tokens.derive("key", other, seed)) == (one == other)
    assert token != tokens.derive("another key", one, seed)


@given(SEED, SEED)
def test_another_seed_is_another_link(one: bytes, other: bytes) -> None:
    assert (tokens.derive("key", "reset", one) == tokens.derive("key", "reset", other)) == (one == other)
