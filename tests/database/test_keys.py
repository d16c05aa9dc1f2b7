"""Primary keys and public numbers."""

import time

from database import keys


def test_keys_of_one_process_are_monotonic() -> None:
    uuids = [keys.uuid7() for _ in range(10_000)]

    assert uuids == sorted(uuids)
    assert len({*uuids}) == len(uuids)
    assert {(key.version, key.variant) for key in uuids} == {(7, "specified in RFC 4122")}
    assert abs((uuids[-1].int >> 80) - time.time_ns() // 1_000_000) < 1000


def test_public_numbers_are_random_and_have_eight_digits() -> None:
    numbers = [keys.account_number() for _ in range(1000)]

    assert {len(str(number)) for number in numbers} == {8}
    assert numbers != sorted(numbers)
