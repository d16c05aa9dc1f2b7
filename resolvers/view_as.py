"""The header X-View-As: the rest of the request sees what a role or a grant's holder would see.

The request goes on as nobody: signed in, but with no rows of his own and no access but the one that
is looked through. What does not speak of views therefore shows nothing, rather than too much.
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


async def look(context: Context, asked: list[str]) -> None:
    """Go on through the eyes that the header names, one role or one grant's id.

    Raises Unauthenticated, AccountRequired, Forbidden, BadInput: never answers as oneself instead.
    """
    if context.session is None:
        raise Unauthenticated
    if context.current is None:
        raise AccountRequired
    if len(asked) != 1:
        raise BadInput("Give X-View-As once.")
    through = await _view(context, context.current, asked[0])
    me, context.view, context.current = context.me, through, through.access
    context.caller = replace(context.caller, user_id=ids.NOBODY)
    context.forget()
    context.me = me
    if through.access is not None:
        context.access.know(through.account_id.hex, through.access)


async def _view(context: Context, own: Access, asked: str) -> ViewAs:
    if asked in Role.__members__:
        return await view_as.of_role(context.caller, own, Role(asked))
    return await view_as.of_grant(context.caller, own, ids.decode("Grant", asked))


# ---- What is one's own, seen so ----------------------------------------------------------------


def own(context: Context, listing: ConnectionQuery[R], column: str) -> UUID:
    """Under whose id a list of one's own is found. Through a grant it is its holder's, in the account."""
    through = context.view
    if through is None:
        return context.caller.user()
    listing.where(f"{column} = {{}}", through.account_id)
    return through.holder_id or ids.NOBODY


def entered(context: Context, listing: ConnectionQuery[AccountRow]) -> UUID:
    """Under whose id the accounts are found that can be entered: with a view, the one or none."""
    through = context.view
    if through is not None and through.access is None:
        listing.where("FALSE")
    found = own(context, listing, "a.id")
    return found if through is None else through.holder_id or through.viewer_id


def role(context: Context) -> Role | None:
    """The role that is looked through, where it is no grant's."""
    return context.view.role if context.view is not None and context.view.holder_id is None else None


def of_users(context: Context) -> UUID | None:
    """The account all of whose grants a role sees, if one is looked through."""
    if role(context) is None or context.current is None:
        return None
    return context.current.account_id if context.current.bits & _USERS_READ else None


def grant(context: Context, found: Access | None) -> db.Columns | None:
    """The grant behind an access; a role has none."""
    return None if found is None or role(context) is not None else found.grant
