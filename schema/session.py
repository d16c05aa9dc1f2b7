"""Inputs and payloads of registration, sign-in and sessions."""

import strawberry

from schema.account import Account
from schema.declare import field, input_field
from schema.payload import BEARER_DESCRIPTION, Payload, payload
from schema.user import User
from schema.viewer import Session, Viewer


@strawberry.input(description="A new login with one account.")
class RegisterInput:
    """The input of register."""

    name: str = input_field("The name of the user, at most 200 characters.")
    email: str = input_field("The e-mail address of the login.")
    password: str = input_field("The password, 12 to 128 characters.")
    account_name: str | None = input_field(
        "The name of the account, at most 200 characters. Null or omitted: the name of the user."
    )
    organization_number: str | None
    country: str | None
    locale: str | None = input_field(
        "The language of mails to the user, a BCP 47 tag. Null or omitted: the language of the request."
    )


@strawberry.input(description="The token of the activation link.")
class ActivateInput:
    """The input of activate."""

    token: str
    password: str | None = input_field(
        "The password, 12 to 128 characters. It replaces that of the registration. Required unless the secret of the "
        "registration is given."
    )
    registration_secret: str | None = input_field(
        "The `registrationSecret` that register returned. It keeps the password of that registration. Null or omitted: "
        "the password is required."
    )


@strawberry.input(description="The address of a login that is not activated.")
class ResendActivationInput:
    """The input of resendActivation."""

    email: str = input_field("The e-mail address of the login.")


@strawberry.input(description="The credentials of a login.")
class SignInInput:
    """The input of signIn."""

    email: str = input_field("The e-mail address of the login.")
    password: str = input_field("The password of the login.")
    one_time_code: str | None = input_field(
        "A code of the authenticator app, or a recovery code. Required if the user has a second factor: without "
        "it the error is ONE_TIME_CODE_REQUIRED. A user whose second factor is a passkey gives a recovery code, or "
        "uses signInWithPasskey instead. While too many wrong passwords are sent, it is required of all users: a user "
        "without a second factor gets a code by mail if the password is right."
    )


@strawberry.input(description="A proof that the session is used by its user.")
class ReauthenticateInput:
    """The input of reauthenticate."""

    password: str | None = input_field("The password of the login. Required if the user has no second factor.")
    code: str | None = input_field(
        "A code of the authenticator app, or a recovery code. Required if the user has a second factor and gives no "
        "passkey."
    )
    passkey: str | None = input_field(
        "The proof of a passkey, after beginPasskeyReauthentication: the text `JSON.stringify(credential)` of the "
        "credential that `navigator.credentials.get()` returned, at most 10,000 characters. It takes the place of "
        "password and code."
    )


@strawberry.input(description="The address of a login.")
class RequestPasswordResetInput:
    """The input of requestPasswordReset."""

    email: str = input_field("The e-mail address of the login.")


@strawberry.input(description="The token of the mailed link, and the new password.")
class ResetPasswordInput:
    """The input of resetPassword."""

    token: str
    password: str = input_field("The new password, 12 to 128 characters.")


@strawberry.input(description="The current password and the new one.")
class ChangePasswordInput:
    """The input of changePassword."""

    current_password: str = input_field("The current password.")
    new_password: str = input_field("The new password, 12 to 128 characters.")


@strawberry.input(description="The fields to change. A null or omitted field stays as it is.")
class UpdateProfileInput:
    """The input of updateProfile."""

    name: str | None = input_field("The name of the user, at most 200 characters.")
    locale: str | None = input_field("The language of mails to the user, a BCP 47 tag.")


@strawberry.input(description="One of the viewer's sessions.")
class RevokeSessionInput:
    """The input of revokeSession."""

    session_id: strawberry.ID


@strawberry.input(description="The account to switch to.")
class SwitchAccountInput:
    """The input of switchAccount."""

    account_id: strawberry.ID


@payload
class RegisterPayload(Payload):
    """The payload of register. A taken address has the same response as a new one."""

    registration_secret: str | None = field(
        description="The secret of this registration, for activate: only the client that registered can keep the "
        "password. Null if refused. A taken address gets a secret too, which is of no use."
    )


@payload
class ResendActivationPayload(Payload):
    """The payload of resendActivation. It has errors alone."""


@payload
class RequestPasswordResetPayload(Payload):
    """The payload of requestPasswordReset. It has errors alone."""


@payload
class ResetPasswordPayload(Payload):
    """The payload of resetPassword. It does not sign in."""


@payload
class SignOutPayload(Payload):
    """The payload of signOut. There is no viewer any more."""


@payload
class ActivatePayload(Payload):
    """The payload of activate."""

    access_token: str | None = field(description=BEARER_DESCRIPTION)
    viewer: Viewer | None = field(description="The signed-in user. Null if refused.")


@payload
class SignInPayload(Payload):
    """The payload of signIn."""

    access_token: str | None = field(description=BEARER_DESCRIPTION)
    viewer: Viewer | None = field(description="The signed-in user. Null if refused.")


@payload
class ReauthenticatePayload(Payload):
    """The payload of reauthenticate."""

    session: Session | None = field(description="The session, with the new proof. Null if refused.")
    viewer: Viewer | None = field(description="The viewer after the mutation. Null if refused.")


@payload
class ChangePasswordPayload(Payload):
    """The payload of changePassword."""

    viewer: Viewer | None = field(description="The viewer after the mutation.")


@payload
class UpdateProfilePayload(Payload):
    """The payload of updateProfile."""

    user: User | None = field(description="The user after the change. Null if refused.")
    viewer: Viewer | None = field(description="The viewer after the mutation.")


@payload
class RevokeSessionPayload(Payload):
    """The payload of revokeSession."""

    session_id: strawberry.ID | None = field(description="The id of the ended session. Null if refused.")
    viewer: Viewer | None = field(description="The viewer. Null if the session of the request was ended.")


@payload
class RevokeOtherSessionsPayload(Payload):
    """The payload of revokeOtherSessions."""

    ended: int | None = field(description="The number of ended sessions.")
    viewer: Viewer | None = field(description="The viewer after the mutation.")


@payload
class SwitchAccountPayload(Payload):
    """The payload of switchAccount."""

    account: Account | None = field(description="The current account after the mutation. Null if refused.")
    viewer: Viewer | None = field(description="The viewer after the mutation.")
