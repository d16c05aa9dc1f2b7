"""The signed-in user's door to the graph."""

from datetime import datetime

import strawberry

import resolvers.access_request
import resolvers.account
import resolvers.event
import resolvers.grant
import resolvers.invitation
import resolvers.second_factor
import resolvers.session
import resolvers.user
from auth.rules import ONESELF
from resolvers import rights
from schema.access_request import AccessRequest
from schema.account import ACCOUNT_LIST, Account
from schema.connection import BOTH_WAYS, FORWARD, Connection, Node
from schema.declare import field, global_id, graph_type
from schema.event import Event
from schema.grant import Grant, GrantFilter
from schema.invitation import Invitation
from schema.user import User


@graph_type(ONESELF, rights.of_sessions, description="One sign-in on one device.")
class Session(Node):
    """A session."""

    id: strawberry.ID = global_id("Session")
    created_at: datetime = field(description="When it was started.")
    last_used_at: datetime = field(description="When it was last used, to the minute.")
    expires_at: datetime = field(description="When it ends unless it is used before.")
    user_agent: str | None = field(description="The program that started it.")
    ip_address: str | None = field(description="From where it was started.")
    is_current: bool = field(resolve=resolvers.session.is_current, description="Whether it is the one that asks.")


@graph_type(ONESELF, rights.of_viewer, description="The codes that signing in needs beside the password.")
class SecondFactor:
    """The viewer's second factor."""

    is_active: bool = field(description="Signing in needs a code of the authenticator app, or a recovery code.")
    confirmed_at: datetime | None = field(description="Since when.")
    recovery_codes_left: int = field(description="Recovery codes that are not used yet, of ten.")


@graph_type(ONESELF, rights.of_viewer, description="The signed-in user's door to the graph.")
class Viewer:
    """The viewer; stands on the session of the request."""

    user: User = field(batch=resolvers.user.viewers, description="Who is signed in.")
    session: Session = field(resolve=resolvers.session.current, description="The session that asks.")
    current_account: Account | None = field(
        batch=resolvers.account.current,
        description="The request's X-Account header, else the session's default, else null.",
    )
    current_grant: Grant | None = field(
        batch=resolvers.grant.current, description="The grant by which the viewer is in it."
    )
    accounts: Connection[Account] = field(
        batch=resolvers.account.of_viewer,
        arguments=ACCOUNT_LIST,
        description="Every account that can be entered, the most recently used first.",
    )
    grants: Connection[Grant] = field(
        batch=resolvers.grant.of_viewer,
        arguments=BOTH_WAYS | {"filter": GrantFilter | None},
        description="The viewer's own grants, ended ones too.",
    )
    invitations: Connection[Invitation] = field(
        batch=resolvers.invitation.of_viewer,
        arguments=FORWARD,
        description="Pending invitations for the viewer's address.",
    )
    access_requests: Connection[AccessRequest] = field(
        batch=resolvers.access_request.of_viewer,
        arguments=FORWARD,
        description="What the viewer has asked for, whether or not anybody is there to answer; the newest first.",
    )
    sessions: Connection[Session] = field(
        batch=resolvers.session.of_viewer, arguments=FORWARD, description="Where the viewer is signed in."
    )
    second_factor: SecondFactor = field(
        batch=resolvers.second_factor.of_viewer, description="Whether signing in needs more than the password."
    )
    events: Connection[Event] = field(
        batch=resolvers.event.events_of_viewer,
        arguments=FORWARD,
        description="What the viewer did, and who entered the accounts that he owns.",
    )
