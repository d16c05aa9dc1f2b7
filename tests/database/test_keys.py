"""Keys grow, numbers do not."""

import time

from database import keys


def test_keys_of_one_process_grow_within_a_millisecond_too() -> None:
    made = [keys.uuid7() for _ in range(10_000)]

    assert made == sorted(made)
    assert len({*made}) == len(made)
    assert {(key.version, key.variant) for key in made} == {(7, "specified in RFC 4122")}
    assert abs((made[-1].int >> 80) - time.time_ns() // 1_000_000) < 1000


def test_public_numbers_have_eight_digits_and_no_order() -> None:
    made = [keys.account_number() for _ in range(1000)]

    assert {len(str(number)) for number in made} == {8}
    assert made != sorted(made)
