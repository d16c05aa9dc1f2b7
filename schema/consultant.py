"""Inputs and payloads of assigning consultants to clients."""

from datetime import datetime

import strawberry

from auth.policy import Permission
from models.bureaus.bulk import MAX_CLIENTS
from schema.declare import PUBLIC, IdsOr, field, graph_type, input_field
from schema.grant import Grant
from schema.payload import Payload, UserError, payload


@strawberry.input(description="A user of the bureau, and the clients to assign.")
class AssignConsultantInput:
    """The input of assignConsultant."""

    bureau_account_id: strawberry.ID
    user_id: strawberry.ID = input_field("The id of the consultant, who has an active grant on the bureau.")
    client_account_ids: list[strawberry.ID]
    all_clients: bool | None = input_field(
        "True: all clients of the bureau that the consultant does not look after yet. `clientAccountIds` is then "
        "empty, and an `idempotencyKey` is needed."
    )
    permissions: list[Permission] | None = input_field(
        "The permissions of the consultant at each client. Where the viewer may not give permissions, the consultant "
        "gets those of them that the client gives to every consultant. Null or omitted: all that the client gives."
    )
    valid_until: datetime | None = input_field("The end of the grants. Null or omitted: no end.")
    idempotency_key: str | None


@strawberry.input(description="A consultant, and the clients to unassign.")
class UnassignConsultantInput:
    """The input of unassignConsultant."""

    bureau_account_id: strawberry.ID
    user_id: strawberry.ID = input_field("The id of the consultant.")
    client_account_ids: list[strawberry.ID]
    all_clients: bool | None = input_field(
        "True: all clients that the consultant looks after. `clientAccountIds` is then empty, and an `idempotencyKey` "
        "is needed."
    )
    idempotency_key: str | None


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


@graph_type(PUBLIC, description="How far a mutation for many clients has come, over all calls with its key.")
class ClientProgress:
    """The numbers of clients."""

    done_count: int = field(description="The number of clients that were changed.")
    refused_count: int = field(
        description="The number of clients that were refused. A call with the key tries them again, after the others."
    )
    remaining_count: int = field(
        description="The number of clients that no call has reached. Send the same input with the same "
        "`idempotencyKey` until it is zero."
    )


PROGRESS = "How far the mutation has come. Null if it was refused."
OUTCOMES = (
    "One outcome for each client that this call reached within its time, at most 500. Outcomes of earlier calls with "
    "the key follow as far as there is room. Empty if the mutation was refused."
)


@payload
class AssignConsultantPayload(Payload):
    """The payload of assignConsultant."""

    progress: ClientProgress | None = field(cost_size=1, description=PROGRESS)
    outcomes: list[ConsultantOutcome] = field(cost_size=IdsOr(MAX_CLIENTS), description=OUTCOMES)


@payload
class UnassignConsultantPayload(Payload):
    """The payload of unassignConsultant."""

    progress: ClientProgress | None = field(cost_size=1, description=PROGRESS)
    outcomes: list[ConsultantOutcome] = field(cost_size=IdsOr(MAX_CLIENTS), description=OUTCOMES)


@payload
class ReplaceConsultantPayload(Payload):
    """The payload of replaceConsultant."""

    progress: ClientProgress | None = field(cost_size=1, description=PROGRESS)
    outcomes: list[ConsultantOutcome] = field(cost_size=MAX_CLIENTS, description=OUTCOMES)
