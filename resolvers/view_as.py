"""The X-View-As header: the request shows what a role or the holder of a grant would see.

The caller stays signed in, but has no own rows and only the access of the view. So a resolver that
does not handle views shows too little, never too much.
"""

from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from auth import policy
from auth.policy import Permission, Role
from database import db
from database.listing import ConnectionQuery
from models.access.access import Access
from models.accounts.account import AccountRow
from models.base.errors import AccountRequired, BadInput, Unauthenticated
from models.sharing import view_as
from models.sharing.view_as import ViewAs
from resolvers import ids
from resolvers.context import Context

R = TypeVar("R", bound=db.Row)
_USERS_READ = policy.mask([Permission.USERS_READ])


async def apply_header(context: Context, header_values: list[str]) -> None:
    """Continue the request as the role or the grant's holder in the header. The header has a role or a grant id.

    Raises Unauthenticated, AccountRequired, Forbidden, BadInput: an invalid header is never ignored.
    """
    if context.session is None:
        raise Unauthenticated
    if context.current_access is None:
        raise AccountRequired(lacks_factor=context.lacks_factor)
    if len(header_values) != 1:
        raise BadInput("Give X-View-As once.")
    view = await _open_view(context, context.current_access, header_values[0])
    viewer_row, context.view, context.current_access = context.viewer_row, view, view.access
    context.caller = replace(context.caller, user_id=ids.NIL_KEY)
    context.clear_caches()
    context.viewer_row = viewer_row
    if view.access is not None:
        context.access.add(view.account_id.hex, view.access)


async def _open_view(context: Context, caller_access: Access, header_value: str) -> ViewAs:
    if header_value in Role.__members__:
        return await view_as.of_role(context.caller, caller_access, Role(header_value))
    return await view_as.of_grant(context.caller, caller_access, ids.decode("Grant", header_value))


# ---- Connections of own rows -------------------------------------------------------------------


def viewer_parent_key(context: Context, query: ConnectionQuery[R], column: str) -> UUID:
    """The parent key of a connection of the caller's own rows: the caller's user id.

    In a view-as request it is the id of the grant's holder, or NIL_KEY for a role, and the query is limited
    to the account.
    """
    view = context.view
    if view is None:
        return context.caller.user()
    restrict = query.where_indexed if query.scan is None else query.where
    restrict(f"{column} = {{}}", view.account_id)
    return view.holder_id or ids.NIL_KEY


def accounts_parent_key(context: Context, query: ConnectionQuery[AccountRow]) -> UUID:
    """The parent key of the connection of the caller's accounts.

    In a view-as request the query is limited to the account, or to no row if the view has no access.
    """
    view = context.view
    if view is not None and view.access is None:
        query.where("FALSE")
    key = viewer_parent_key(context, query, "g.account_id")
    return key if view is None else view.holder_id or view.viewer_id


def role(context: Context) -> Role | None:
    """The role of a view-as request. None for a grant, and in other requests."""
    return context.view.role if context.view is not None and context.view.holder_id is None else None


def users_account_id(context: Context) -> UUID | None:
    """The account of a view-as request for a role that may read users. None in all other requests."""
    if role(context) is None or context.current_access is None:
        return None
    return context.current_access.account_id if context.current_access.bits & _USERS_READ else None


def grant_of(context: Context, access: Access | None) -> db.Columns | None:
    """The grant of an access. None in a view-as request for a role."""
    return None if access is None or role(context) is not None else access.grant
