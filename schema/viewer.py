"""The viewer: the signed-in user, with sessions, second factor and passkeys."""

from datetime import datetime

import strawberry

import resolvers.access_request
import resolvers.account
import resolvers.email_change
import resolvers.event
import resolvers.grant
import resolvers.invitation
import resolvers.passkey
import resolvers.second_factor
import resolvers.session
import resolvers.user
from auth.rules import SELF
from resolvers import rights
from schema.access_request import AccessRequest
from schema.account import ACCOUNT_LIST, Account
from schema.connection import BOTH_WAYS, FORWARD, Connection, Node
from schema.declare import field, global_id, graph_type
from schema.event import Event
from schema.grant import Grant, GrantFilter
from schema.invitation import Invitation
from schema.user import User


@graph_type(SELF, rights.of_sessions, description="A session: one sign-in on one device.")
class Session(Node):
    """A session."""

    id: strawberry.ID = global_id("Session")
    created_at: datetime = field(description="When the user signed in.")
    last_used_at: datetime = field(description="When the session was last used, to the minute.")
    authenticated_at: datetime | None = field(
        description="When the user last proved in this session, by password, code or passkey, that it is them. For ten "
        "minutes the mutations with @reauthentication ask for no other proof. Null: never."
    )
    expires_at: datetime = field(description="When the session ends if it is not used until then.")
    user_agent: str | None = field(description="The User-Agent header at sign-in. Null: there was none.")
    ip_address: str | None = field(description="The IP address at sign-in. Null: it is unknown.")
    is_current: bool = field(
        resolve=resolvers.session.is_current, description="True if this is the session of the request."
    )


@graph_type(
    SELF, rights.of_viewer, description="The state of the viewer's authenticator app, and of the recovery codes."
)
class SecondFactor:
    """The viewer's second factor."""

    is_active: bool = field(
        description="True if signing in with the password needs a code of the authenticator app, or a recovery code. "
        "Passkeys are a second factor too: see Viewer.passkeys."
    )
    confirmed_at: datetime | None = field(description="When the app was activated. Null: it is not active.")
    recovery_codes_left: int = field(description="The number of unused recovery codes, 0 to 10.")


@graph_type(SELF, rights.of_sessions, description="A passkey of the viewer: a key on a device, which signs in.")
class Passkey(Node):
    """A passkey."""

    id: strawberry.ID = global_id("Passkey")
    name: str = field(description="The viewer's name for the passkey.")
    created_at: datetime = field(description="When the viewer added the passkey.")
    last_used_at: datetime | None = field(description="When the passkey was last used to prove the user. Null: never.")
    is_backed_up: bool = field(
        description="True if the passkey is kept by a service that syncs it to other devices. False: the loss of its "
        "device is the loss of the passkey."
    )


@graph_type(SELF, rights.of_viewer, description="A change of the viewer's address that waits for its confirmation.")
class EmailChange:
    """A pending change of the viewer's address."""

    email: str = field(description="The new address. It gets the link that confirms the change.")
    created_at: datetime = field(description="When the viewer asked for the change.")
    expires_at: datetime = field(description="When the link expires.")


@graph_type(SELF, rights.of_viewer, description="The signed-in user and their data.")
class Viewer:
    """The viewer. Its row is the session of the request."""

    user: User = field(batch=resolvers.user.viewers, description="The signed-in user.")
    session: Session = field(resolve=resolvers.session.current, description="The session of the request.")
    current_account: Account | None = field(
        batch=resolvers.account.current,
        description="The account of the X-Account header; without the header the last account of the session. Null: "
        "neither. If the viewer cannot enter the account of the header, it is null with the error ACCOUNT_REQUIRED.",
    )
    current_grant: Grant | None = field(
        batch=resolvers.grant.current,
        description="The viewer's grant on the current account. Null: there is no current account. If the viewer "
        "cannot enter the account of the X-Account header, it is null with the error ACCOUNT_REQUIRED.",
    )
    accounts: Connection[Account] = field(
        batch=resolvers.account.of_viewer,
        reads_rows=True,
        arguments=ACCOUNT_LIST,
        description="The accounts that the viewer can enter. By default the most recently used first.",
    )
    grants: Connection[Grant] = field(
        batch=resolvers.grant.of_viewer,
        arguments=BOTH_WAYS | {"filter": GrantFilter | None},
        description="The viewer's grants, including those that have ended.",
    )
    invitations: Connection[Invitation] = field(
        batch=resolvers.invitation.of_viewer,
        arguments=FORWARD,
        description="Pending invitations to the viewer's address, the newest first.",
    )
    access_requests: Connection[AccessRequest] = field(
        batch=resolvers.access_request.of_viewer,
        arguments=FORWARD,
        description="The viewer's access requests, the newest first. Includes requests for accounts that do not exist.",
    )
    sessions: Connection[Session] = field(
        batch=resolvers.session.of_viewer,
        arguments=FORWARD,
        description="The viewer's open sessions, the newest first.",
    )
    second_factor: SecondFactor = field(
        batch=resolvers.second_factor.of_viewer,
        description="The state of the viewer's authenticator app, and of the recovery codes.",
    )
    passkeys: list[Passkey] = field(
        batch=resolvers.passkey.of_viewer,
        cost_size=20,
        description="The viewer's passkeys, at most 20, the newest first.",
    )
    email_change: EmailChange | None = field(
        batch=resolvers.email_change.of_viewer,
        description="The change of the address that waits for its confirmation. Null: there is none.",
    )
    events: Connection[Event] = field(
        batch=resolvers.event.of_viewer,
        reads_rows=True,
        arguments=FORWARD,
        description="The viewer's own events, and entries of users into the viewer's accounts. The newest first.",
    )
