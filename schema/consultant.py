"""Assigning consultants to clients: inputs and payloads."""

import strawberry

from auth.policy import Permission
from schema.declare import ANYONE, PAGE, field, graph_type
from schema.grant import Grant
from schema.payload import Payload, UserError, payload


@strawberry.input(description="A holder of a grant on the bureau, and 1 to 100 of its clients.")
class AssignConsultantInput:
    """What assignConsultant takes."""

    bureau_account_id: strawberry.ID
    user_id: strawberry.ID
    client_account_ids: list[strawberry.ID]
    permissions: list[Permission] | None = strawberry.UNSET


@strawberry.input(description="A consultant, and 1 to 100 of his clients.")
class UnassignConsultantInput:
    """What unassignConsultant takes."""

    bureau_account_id: strawberry.ID
    user_id: strawberry.ID
    client_account_ids: list[strawberry.ID]


@strawberry.input(description="Who looks after the clients so far, and who shall.")
class ReplaceConsultantInput:
    """What replaceConsultant takes."""

    bureau_account_id: strawberry.ID
    from_user_id: strawberry.ID
    to_user_id: strawberry.ID


@graph_type(ANYONE, description="What came of one client; the others have outcomes of their own.")
class ConsultantOutcome:
    """An outcome."""

    client_account_id: strawberry.ID = field(description="The client, as it was given.")
    grant: Grant | None = field(description="The grant at the client that was given or ended.")
    errors: list[UserError] = field(cost_size=1, description="Empty when it was done.")


@payload
class AssignConsultantPayload(Payload):
    """A consultant was assigned."""

    outcomes: list[ConsultantOutcome] = field(
        cost_size=PAGE, description="One for each client, in order; empty where all was refused."
    )


@payload
class UnassignConsultantPayload(Payload):
    """A consultant was taken off clients."""

    outcomes: list[ConsultantOutcome] = field(
        cost_size=PAGE, description="One for each client, in order; empty where all was refused."
    )


@payload
class ReplaceConsultantPayload(Payload):
    """One consultant took the place of another."""

    outcomes: list[ConsultantOutcome] = field(
        cost_size=PAGE, description="One for each client; empty where all was refused."
    )
