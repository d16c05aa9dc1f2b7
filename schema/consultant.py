"""Inputs and payloads of assigning consultants to clients."""

import strawberry

from auth.policy import Permission
from schema.declare import PAGE, PUBLIC, field, graph_type, input_field
from schema.grant import Grant
from schema.payload import Payload, UserError, payload


@strawberry.input(description="A user of the bureau, and the clients to assign.")
class AssignConsultantInput:
    """The input of assignConsultant."""

    bureau_account_id: strawberry.ID
    user_id: strawberry.ID = input_field("The id of the consultant, who has an active grant on the bureau.")
    client_account_ids: list[strawberry.ID]
    permissions: list[Permission] | None = input_field(
        "The permissions of the consultant at each client. Null or omitted: the grants wait for permissions."
    )
    idempotency_key: str | None


@strawberry.input(description="A consultant, and the clients to unassign.")
class UnassignConsultantInput:
    """The input of unassignConsultant."""

    bureau_account_id: strawberry.ID
    user_id: strawberry.ID = input_field("The id of the consultant.")
    client_account_ids: list[strawberry.ID]


@strawberry.input(description="The former consultant and the new one.")
class ReplaceConsultantInput:
    """The input of replaceConsultant."""

    bureau_account_id: strawberry.ID
    from_user_id: strawberry.ID = input_field("The id of the former consultant.")
    to_user_id: strawberry.ID = input_field("The id of the new consultant, who has an active grant on the bureau.")
    idempotency_key: str | None


@graph_type(PUBLIC, description="The outcome at one client. Each client has its own.")
class ConsultantOutcome:
    """The outcome at one client."""

    client_account_id: strawberry.ID = field(description="The id of the client's account, as in the input.")
    grant: Grant | None = field(description="The consultant's new or ended grant at the client. Null if refused.")
    errors: list[UserError] = field(
        cost_size=1, description="The problems at this client. Empty if the change was made."
    )


@payload
class AssignConsultantPayload(Payload):
    """The payload of assignConsultant."""

    outcomes: list[ConsultantOutcome] = field(
        cost_size=PAGE,
        description="One outcome for each client, in the order of the input. Empty if the mutation was refused.",
    )


@payload
class UnassignConsultantPayload(Payload):
    """The payload of unassignConsultant."""

    outcomes: list[ConsultantOutcome] = field(
        cost_size=PAGE,
        description="One outcome for each client, in the order of the input. Empty if the mutation was refused.",
    )


@payload
class ReplaceConsultantPayload(Payload):
    """The payload of replaceConsultant."""

    outcomes: list[ConsultantOutcome] = field(
        cost_size=PAGE,
        description="One outcome for each client of the former consultant. Empty if the mutation was refused.",
    )
