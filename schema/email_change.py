"""Changes of the viewer's e-mail address: inputs, payloads and mutations."""

import strawberry

import resolvers.email_change
from auth.rules import PUBLIC, SELF
from schema.declare import field, graph_part, input_field, mutation
from schema.payload import Payload, payload
from schema.viewer import Viewer


@strawberry.input(description="The new address of the viewer's login, and the password.")
class ChangeEmailInput:
    """The input of changeEmail."""

    new_email: str = input_field("The new e-mail address. It gets a link that confirms the change.")
    password: str = input_field("The viewer's password.")
    idempotency_key: str | None


@strawberry.input(description="The token of the link that was mailed to the new address.")
class ConfirmEmailChangeInput:
    """The input of confirmEmailChange."""

    token: str


@strawberry.input(description="The token of the link that was mailed to the former address.")
class UndoEmailChangeInput:
    """The input of undoEmailChange."""

    token: str


@payload
class ChangeEmailPayload(Payload):
    """The payload of changeEmail. It is the same for a taken address."""

    viewer: Viewer | None = field(description="The viewer, with the pending change. Null if refused.")


@payload
class CancelEmailChangePayload(Payload):
    """The payload of cancelEmailChange."""

    viewer: Viewer | None = field(description="The viewer, without a pending change. Null if refused.")


@payload
class ConfirmEmailChangePayload(Payload):
    """The payload of confirmEmailChange. It does not sign in."""

    email: str | None = field(description="The new address of the login. Null if refused.")


@payload
class UndoEmailChangePayload(Payload):
    """The payload of undoEmailChange. It does not sign in."""

    email: str | None = field(description="The address of the login, which is the former one again. Null if refused.")


@graph_part
class EmailChangeMutations:
    """The mutations of addresses, which `Mutation` inherits."""

    change_email: ChangeEmailPayload | None = mutation(
        resolvers.email_change.change_email,
        ChangeEmailInput,
        rule=SELF,
        description="Mail a link to a new address for the viewer's login. The address changes when the link is "
        "followed, within 24 hours. Replaces a pending change. The response for a taken address is the same.",
    )
    cancel_email_change: CancelEmailChangePayload | None = mutation(
        resolvers.email_change.cancel_email_change,
        rule=SELF,
        description="Cancel the pending change of the viewer's address. Its link stops working.",
    )
    confirm_email_change: ConfirmEmailChangePayload | None = mutation(
        resolvers.email_change.confirm_email_change,
        ConfirmEmailChangeInput,
        rule=PUBLIC,
        description="Change the address of a login by the mailed link. Grants and sessions stay. The former address "
        "gets a link that undoes the change within seven days.",
    )
    undo_email_change: UndoEmailChangePayload | None = mutation(
        resolvers.email_change.undo_email_change,
        UndoEmailChangeInput,
        rule=PUBLIC,
        description="Give a login its former address back by the mailed link. All other sessions and the password end. "
        "The former address gets a link for a new password.",
    )
