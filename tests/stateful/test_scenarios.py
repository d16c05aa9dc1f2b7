"""Random sequences of all operations by several users on several accounts, compared with a reference model.

Each step runs on the real API and on the reference model, and the outcomes are compared. After each step, invariants of
the database and the permissions of one user are checked. The default is a short, reproducible run; more examples with:

    FULLMAKT_STATEFUL=2000 .venv/bin/python -m pytest tests/stateful
"""

import os
from collections import Counter
from typing import Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from auth.policy import Role
from tests.stateful.consultant_operations import OPERATIONS
from tests.stateful.model_rows import SUCCESS
from tests.stateful.scenario import Scenario
from tests.stateful.steps import ALLOWLISTS, GUEST_ROLES, ONE_OF_EACH, PERMISSION_SETS, Step
from tests.stateful.system import PEOPLE, System

EXAMPLES: Final = int(os.environ.get("FULLMAKT_STATEFUL", "0"))

steps = st.builds(
    Step,
    name=st.sampled_from(list(OPERATIONS)),
    # Strangers are refused. Half of the steps are by the entitled person, so that sequences make progress.
    by=st.sampled_from([None, None, None, None, *range(PEOPLE)]),
    nth=st.integers(0, 6),
    account=st.sampled_from([0, 0, 1, 2]),
    payer=st.sampled_from([0, 1, 2]),
    receiver=st.integers(0, PEOPLE - 1),
    role=st.sampled_from([*GUEST_ROLES, *GUEST_ROLES, Role.OWNER]),
    allowlist=st.sampled_from(ALLOWLISTS),
    restrictions=st.sampled_from(PERMISSION_SETS),
    locks=st.sampled_from(PERMISSION_SETS),
    days=st.integers(10, 31),
    seats=st.integers(0, 4),
    days_passed=st.sampled_from([0.001, 1, 3, 8, 20]),
    valid_days=st.sampled_from([None, None, 5, 15]),
)


def test_operations_agree_with_reference_model(database_url: str) -> None:
    system, outcome_counts = System(database_url), Counter[tuple[str, str]]()

    @settings(
        max_examples=EXAMPLES or 60,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @example(roles=[Role.ACCOUNTANT, Role.COLLABORATOR, Role.SIMPLE_USER], sequence=ONE_OF_EACH)
    @given(
        roles=st.lists(st.sampled_from(GUEST_ROLES), min_size=PEOPLE - 1, max_size=PEOPLE - 1),
        sequence=st.lists(steps, min_size=20, max_size=40),
    )
    def run_scenario(roles: list[Role], sequence: list[Step]) -> None:
        scenario = Scenario(system, outcome_counts)
        scenario.set_up(roles)
        for step in sequence:
            scenario.run_step(step)
        scenario.check_links()

    try:
        run_scenario()
        assert system.broken_chains() == []
    finally:
        system.close()
    # Each operation must succeed at least once, or the comparison would prove little.
    successful_operations = {name for name, outcome in outcome_counts if outcome == SUCCESS}
    assert {name for name, _ in outcome_counts} - successful_operations == set()
