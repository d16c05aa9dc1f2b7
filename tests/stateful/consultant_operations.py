"""The operations of random scenarios on consultants. Each client has its own outcome."""

from typing import Any

from tests.stateful.model_rows import BUREAU, SUCCESS
from tests.stateful.scenario import OPERATIONS, Scenario, operation
from tests.stateful.steps import Step, stored_bits
from tests.stateful.system import outcome_of

__all__ = ["OPERATIONS"]  # with the operations of this module


@operation
def assign(scenario: Scenario, step: Step) -> None:
    by, client = scenario.actor(step, BUREAU), step.client
    expected_outcome = scenario.model.assign(by, step.receiver, client, stored_bits(step.permissions()))
    arguments = {"permissions": step.permissions(), **_assignment_input(scenario, step.receiver, client)}
    run_and_compare(scenario, expected_outcome, {client: expected_outcome}, "assignConsultant", arguments, by=by)


@operation
def unassign(scenario: Scenario, step: Step) -> None:
    by, client = scenario.actor(step, BUREAU), step.client
    expected_outcome = scenario.model.unassign(by, step.receiver, client)
    arguments = _assignment_input(scenario, step.receiver, client)
    run_and_compare(
        scenario, expected_outcome, {client: expected_outcome}, "unassignConsultant", arguments, by=by, is_new=False
    )


@operation
def replace(scenario: Scenario, step: Step) -> None:
    by, people = scenario.actor(step, BUREAU), scenario.system.people
    new_user = step.nth % len(people)
    if scenario.model.has_former_clients(step.receiver):
        return  # tests/models/bureaus/test_client_coverage.py has the clients of a consultant who left.
    expected_outcome, expected_outcomes = scenario.model.replace(by, step.receiver, new_user)
    users = {"fromUserId": people[step.receiver].user_id, "toUserId": people[new_user].user_id}
    arguments = {"bureauAccountId": scenario.account_ids[BUREAU], **users}
    run_and_compare(scenario, expected_outcome, expected_outcomes, "replaceConsultant", arguments, by=by)


def _assignment_input(scenario: Scenario, user: int, client: int) -> dict[str, Any]:
    return {
        "bureauAccountId": scenario.account_ids[BUREAU],
        "userId": scenario.system.people[user].user_id,
        "clientAccountIds": [scenario.account_ids[client]],
    }


def run_and_compare(
    scenario: Scenario,
    expected_outcome: str,
    expected_outcomes: dict[int, str],
    name: str,
    arguments: dict[str, Any],
    *,
    by: int,
    is_new: bool = True,
) -> None:
    """Run a mutation and check its outcome, or the outcome at each client. With `is_new`, note the new grants."""
    input_name = name[0].upper() + name[1:]
    document = (
        f"mutation ($i: {input_name}Input!) {{ {name}(input: $i) {{ outcomes {{ clientAccountId"
        " grant { id } errors { code } } errors { code } } }"
    )
    answer = scenario.system.run(scenario.system.api.ask(document, {"i": arguments}, by=scenario.system.people[by]))
    outcome, payload = outcome_of(answer, name)
    rows = payload.get("outcomes") or []
    if rows:
        outcomes = {row["clientAccountId"]: row["errors"][0]["code"] if row["errors"] else SUCCESS for row in rows}
        expected_by_id = {scenario.account_ids[client]: code for client, code in expected_outcomes.items()}
        assert outcomes == expected_by_id, (outcomes, expected_by_id, name, arguments, by)
        # In the order of the model, which has the grants in the order of their creation.
        ids_by_client = {row["clientAccountId"]: row["grant"]["id"] for row in rows if row["grant"]}
        if is_new:
            new_ids = [ids_by_client.get(scenario.account_ids[client]) for client in expected_outcomes]
            known_ids = set(scenario.grant_ids)  # a grant that waited is completed
            scenario.grant_ids += [
                grant_id for grant_id in new_ids if grant_id is not None and grant_id not in known_ids
            ]
    else:
        assert outcome == expected_outcome, (outcome, expected_outcome, name, arguments, by)
    for code in {outcome, *(expected_outcomes.values() if rows else ())}:
        scenario.outcome_counts[name, code] += 1
