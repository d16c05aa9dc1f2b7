"""Passkeys: inputs, payloads and mutations."""

from typing import Final

import strawberry

import resolvers.passkey
from auth.rules import PUBLIC, SELF
from schema.declare import field, graph_part, input_field, mutation
from schema.payload import BEARER_DESCRIPTION, Payload, payload
from schema.viewer import Passkey, Viewer

ASSERTION: Final = (
    "The text `JSON.stringify(credential)` of the credential that `navigator.credentials.get()` returned, at most "
    "10,000 characters."
)
_REQUEST_OPTIONS: Final = (
    "The options as a JSON text, for `PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options))` and "
    "`navigator.credentials.get()`. Their challenge works once, within five minutes. Null if refused."
)


@strawberry.input(description="A new passkey.")
class AddPasskeyInput:
    """The input of addPasskey."""

    credential: str = input_field(
        "The text `JSON.stringify(credential)` of the credential that `navigator.credentials.create()` returned, at "
        "most 10,000 characters."
    )
    name: str = input_field("The viewer's name for the passkey, such as its device: at most 100 characters.")


@strawberry.input(description="One of the viewer's passkeys, and its new name.")
class RenamePasskeyInput:
    """The input of renamePasskey."""

    passkey_id: strawberry.ID
    name: str = input_field("The new name, at most 100 characters.")


@strawberry.input(description="One of the viewer's passkeys.")
class RemovePasskeyInput:
    """The input of removePasskey."""

    passkey_id: strawberry.ID


@strawberry.input(description="The proof of a passkey.")
class SignInWithPasskeyInput:
    """The input of signInWithPasskey."""

    credential: str = input_field(ASSERTION)


@payload
class BeginPasskeyRegistrationPayload(Payload):
    """The payload of beginPasskeyRegistration."""

    options: str | None = field(
        description="The options as a JSON text, for "
        "`PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options))` and `navigator.credentials.create()`. "
        "Their challenge works once, in this session, within five minutes. Null if refused."
    )


@payload
class AddPasskeyPayload(Payload):
    """The payload of addPasskey."""

    passkey: Passkey | None = field(description="The new passkey. Null if refused.")
    recovery_codes: list[str] | None = field(
        description="Ten recovery codes, each for one sign-in with the password and without the passkey. They are "
        "returned only here. Null if refused, and if the viewer had a second factor before."
    )
    viewer: Viewer | None = field(
        description="The viewer. If this is the first second factor, all other sessions have ended."
    )


@payload
class RenamePasskeyPayload(Payload):
    """The payload of renamePasskey."""

    passkey: Passkey | None = field(description="The passkey with its new name. Null if refused.")
    viewer: Viewer | None = field(description="The viewer after the mutation.")


@payload
class RemovePasskeyPayload(Payload):
    """The payload of removePasskey."""

    passkey_id: strawberry.ID | None = field(description="The id of the removed passkey. Null if refused.")
    viewer: Viewer | None = field(
        description="The viewer after the mutation. Other sessions that the passkey started have ended."
    )


@payload
class BeginPasskeySignInPayload(Payload):
    """The payload of beginPasskeySignIn."""

    options: str | None = field(description=_REQUEST_OPTIONS)


@payload
class SignInWithPasskeyPayload(Payload):
    """The payload of signInWithPasskey."""

    access_token: str | None = field(description=BEARER_DESCRIPTION)
    viewer: Viewer | None = field(description="The signed-in user. Null if refused.")


@payload
class BeginPasskeyReauthenticationPayload(Payload):
    """The payload of beginPasskeyReauthentication."""

    options: str | None = field(description=_REQUEST_OPTIONS)


@graph_part
class PasskeyMutations:
    """The mutations of passkeys, which `Mutation` inherits."""

    begin_passkey_registration: BeginPasskeyRegistrationPayload | None = mutation(
        resolvers.passkey.begin_registration,
        rule=SELF,
        description="Return what a browser needs to create a passkey for the viewer.",
    )
    add_passkey: AddPasskeyPayload | None = mutation(
        resolvers.passkey.add,
        AddPasskeyInput,
        rule=SELF,
        description="Store the passkey that the browser has created. It signs in without address and password, and is "
        "a second factor: the password alone is no longer enough to sign in. A user has at most 20 passkeys.",
    )
    rename_passkey: RenamePasskeyPayload | None = mutation(
        resolvers.passkey.rename,
        RenamePasskeyInput,
        rule=SELF,
        description="Change the name of a passkey.",
    )
    remove_passkey: RemovePasskeyPayload | None = mutation(
        resolvers.passkey.remove,
        RemovePasskeyInput,
        rule=SELF,
        description="Remove a passkey, and end the other sessions that it started. Without another passkey and an "
        "authenticator app, the password alone is then enough to sign in.",
    )
    begin_passkey_sign_in: BeginPasskeySignInPayload | None = mutation(
        resolvers.passkey.begin_sign_in,
        rule=PUBLIC,
        description="Return what a browser needs to sign in with a passkey. The browser finds the user.",
    )
    sign_in_with_passkey: SignInWithPasskeyPayload | None = mutation(
        resolvers.passkey.sign_in,
        SignInWithPasskeyInput,
        rule=PUBLIC,
        description="Start a session with a passkey. All passkeys that do not work have the same error.",
    )
    begin_passkey_reauthentication: BeginPasskeyReauthenticationPayload | None = mutation(
        resolvers.passkey.begin_reauthentication,
        rule=SELF,
        description="Return what a browser needs to prove with a passkey, for reauthenticate, that it is the viewer. "
        "Refused with INVALID_STATE if the viewer has no passkey.",
    )
