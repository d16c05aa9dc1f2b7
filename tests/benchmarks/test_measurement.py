from functools import partial

import pytest

from benchmarks.measurement import (
    Goal,
    Row,
    compare_as_slowdown,
    compare_as_speedup,
    compare_rates,
    format_number,
    format_table,
    interleave,
    measure_busy_cores,
)


def test_each_round_starts_with_another_contestant() -> None:
    turns: list[str] = []

    def turn(name: str) -> str:
        turns.append(name)
        return name

    results = interleave({name: partial(turn, name) for name in "abc"}, 4)

    assert "".join(turns) == "abc" + "bca" + "cab" + "abc"
    assert results == {name: [name] * 4 for name in "abc"}


@pytest.mark.parametrize(
    ("goal", "ratio", "is_reached", "text"),
    [
        (Goal(20), 20.0, True, ">= 20"),
        (Goal(1.75), 1.74, False, ">= 1.75"),
        (Goal(1.2, at_most=True), 1.2, True, "<= 1.2"),
        (Goal(1.05, at_most=True), 1.06, False, "<= 1.05"),
    ],
)
def test_ratio_equal_to_the_goal_reaches_it(goal: Goal, ratio: float, is_reached: bool, text: str) -> None:  # noqa: FBT001 - one column of the table above
    assert goal.is_reached(ratio) is is_reached
    assert str(goal) == text


def test_ratios_compare_medians() -> None:
    assert compare_rates("", [30, 10, 20], [10, 9, 11]).ratio == 2
    assert compare_as_speedup("", [2, 1, 3], [40, 50, 30], "ms").ratio == 20
    assert compare_as_slowdown("", [2, 1, 3], [40, 50, 30], "ms").ratio == 0.05


def test_table_is_markdown_with_a_verdict_for_each_goal() -> None:
    rows = [
        Row("fast", 1500, 99.5, "req/s", 15.0754, Goal(20)),
        Row("steady", 1.04, 1, "CPU ms", 1.04, Goal(1.05, at_most=True)),
        Row("plain", 0.5, 1, "ms", 2),
    ]

    lines = format_table(rows).splitlines()

    assert len({len(line) for line in lines}) == 1
    assert [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines[2:]] == [
        ["fast", "1,500", "99.5", "req/s", "15.08", ">= 20", "NOT reached"],
        ["steady", "1.04", "1", "CPU ms", "1.04", "<= 1.05", "reached"],
        ["plain", "0.5", "1", "ms", "2.00"],
    ]


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (99.44, "99.4"), (0.12345, "0.123"), (7, "7")])
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_busy_cores_are_not_negative() -> None:
    assert measure_busy_cores(0.05) >= 0
