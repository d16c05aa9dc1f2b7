from functools import partial

import pytest

from benchmarks.measure import Goal, Row, busy_cores, faster, interleave, number, rates, slower, table


def test_each_round_begins_with_another() -> None:
    turns: list[str] = []

    def turn(name: str) -> str:
        turns.append(name)
        return name

    found = interleave({name: partial(turn, name) for name in "abc"}, 4)

    assert "".join(turns) == "abc" + "bca" + "cab" + "abc"
    assert found == {name: [name] * 4 for name in "abc"}


@pytest.mark.parametrize(
    ("goal", "ratio", "reached", "text"),
    [
        (Goal(20), 20.0, True, ">= 20"),
        (Goal(1.75), 1.74, False, ">= 1.75"),
        (Goal(1.2, at_most=True), 1.2, True, "<= 1.2"),
        (Goal(1.05, at_most=True), 1.06, False, "<= 1.05"),
    ],
)
def test_a_goal_is_reached_at_its_own_value(goal: Goal, ratio: float, reached: bool, text: str) -> None:  # noqa: FBT001 - one column of the table above
    assert goal.is_reached(ratio) is reached
    assert str(goal) == text


def test_a_ratio_says_how_many_times_better_or_slower_ours_is() -> None:
    assert rates("", [30, 10, 20], [10, 9, 11]).ratio == 2
    assert faster("", [2, 1, 3], [40, 50, 30], "ms").ratio == 20
    assert slower("", [2, 1, 3], [40, 50, 30], "ms").ratio == 0.05


def test_the_table_is_markdown_with_a_verdict_where_there_is_a_goal() -> None:
    rows = [
        Row("fast", 1500, 99.5, "req/s", 15.0754, Goal(20)),
        Row("steady", 1.04, 1, "CPU ms", 1.04, Goal(1.05, at_most=True)),
        Row("told", 0.5, 1, "ms", 2),
    ]

    lines = table(rows).splitlines()

    assert len({len(line) for line in lines}) == 1
    assert [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines[2:]] == [
        ["fast", "1,500", "99.5", "req/s", "15.08", ">= 20", "NOT reached"],
        ["steady", "1.04", "1", "CPU ms", "1.04", "<= 1.05", "reached"],
        ["told", "0.5", "1", "ms", "2.00"],
    ]


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (99.44, "99.4"), (0.12345, "0.123"), (7, "7")])
def test_numbers_have_no_more_digits_than_count(value: float, text: str) -> None:
    assert number(value) == text


def test_work_of_others_is_noticed() -> None:
    assert busy_cores(0.05) >= 0
