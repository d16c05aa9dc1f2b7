"""Contacts: the customers and suppliers of an account.

    create --> in use <--archive--> archived        an archived contact stays, because documents refer to it

A contact is data of its account. Each user with CONTACTS_READ there sees all of them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import operation
from models.access.operation import OperationContext, requires
from models.base.errors import UserErrorCode, not_found, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace.event_type import WorkspaceEventType


class ContactKind(StrEnum):
    """The kind of a contact."""

    CUSTOMER = "CUSTOMER"
    SUPPLIER = "SUPPLIER"
    BOTH = "BOTH"


class Contact(Model):
    """A customer or supplier."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    kind = fields.CharEnumField(ContactKind, max_length=10)
    name = fields.TextField()
    country: str | None = fields.TextField(null=True)
    vat_number: str | None = fields.TextField(null=True)
    address: str | None = fields.TextField(null=True)
    email: str | None = fields.TextField(null=True)
    locale: str | None = fields.TextField(null=True)
    is_archived = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "contacts"


class ContactRow(db.Row):
    """A contact in lists."""

    graphql_type = "Contact"

    id: UUID
    account_id: UUID
    kind: str
    name: str
    country: str | None
    vat_number: str | None
    address: str | None
    email: str | None
    locale: str | None
    is_archived: bool
    created_at: datetime


COLUMNS: Final = db.columns_of("c", ContactRow)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM contacts c WHERE c.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[ContactRow | None]:
    """The contacts with these ids, in this order. The caller has to check the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=ContactRow))


# ---- Operations ------------------------------------------------------------------------------


@idempotent("createContact")
@requires(Permission.CONTACTS_WRITE, WorkspaceEventType.CONTACT_CREATE)
async def create(
    context: OperationContext,
    account_id: UUID,
    *,
    name: str,
    kind: ContactKind | None = None,
    country: str | None = None,
    vat_number: str | None = None,
    address: str | None = None,
    email: str | None = None,
    locale: str | None = None,
) -> UUID:
    """Create a contact. Returns its id."""
    with Validation() as check:
        values = _check(check, None, name, country, vat_number, address, email, locale)
    contact = await Contact.create(
        account_id=account_id, kind=kind or ContactKind.CUSTOMER, created_at=context.now, **values
    )
    await context.record(
        WorkspaceEventType.CONTACT_CREATE, after={"contact": contact.id, "kind": contact.kind} | values
    )
    return contact.id


@requires(Permission.CONTACTS_WRITE, WorkspaceEventType.CONTACT_UPDATE, of="contact", table="contacts")
async def update(
    context: OperationContext,
    contact_id: UUID,
    *,
    name: str | None = None,
    kind: ContactKind | None = None,
    country: str | None = None,
    vat_number: str | None = None,
    address: str | None = None,
    email: str | None = None,
    locale: str | None = None,
) -> UUID:
    """Change a contact. None changes nothing, an empty text removes a value. Returns the contact's id."""
    contact = await Contact.get(id=contact_id)
    with Validation() as check:
        values = _check(check, contact.country, name, country, vat_number, address, email, locale)
    values |= {"kind": kind} if kind is not None else {}
    changes = {field: value for field, value in values.items() if getattr(contact, field) != value}
    if changes:
        _ = await Contact.filter(id=contact_id).update(**changes)
        before = {field: getattr(contact, field) for field in changes}
        await context.record(
            WorkspaceEventType.CONTACT_UPDATE,
            before=before,
            after={"contact": contact_id} | changes,
        )
    return contact_id


@requires(Permission.CONTACTS_WRITE, WorkspaceEventType.CONTACT_ARCHIVE, of="contact", table="contacts")
async def archive(context: OperationContext, contact_id: UUID, *, is_archived: bool | None = None) -> UUID:
    """Archive a contact, or take it out of the archive if `is_archived` is False. Returns its id."""
    is_archived = is_archived is not False
    if await Contact.filter(id=contact_id, is_archived=not is_archived).update(is_archived=is_archived):
        after = {"contact": contact_id, "is_archived": is_archived}
        await context.record(WorkspaceEventType.CONTACT_ARCHIVE, after=after)
    return contact_id


async def require_in_use(context: OperationContext, contact_id: UUID, *, linked_id: UUID | None = None) -> None:
    """Check that an operation may link a contact of its account. The linked contact `linked_id` may be archived.

    Raises Forbidden without CONTACTS_READ, and Refusal: NOT_FOUND for a contact that the account does not have,
    INVALID_STATE for an archived one.
    """
    operation.require(context.access, Permission.CONTACTS_READ)
    contact = await Contact.get_or_none(id=contact_id, account_id=context.account_id)
    if contact is None:
        raise not_found("contact_id")
    if contact.is_archived and contact_id != linked_id:
        raise refuse(UserErrorCode.INVALID_STATE, "contact_id", mark("The contact is archived."))


def _check(
    check: Validation,
    country_before: str | None,
    name: str | None,
    country: str | None,
    vat_number: str | None,
    address: str | None,
    email: str | None,
    locale: str | None,
) -> dict[str, Any]:
    """The values of the columns that are given, validated. An empty text is no value."""
    values: dict[str, Any] = {}
    country_after = country_before
    if name is not None:
        values["name"] = check.line("name", name)
    if country is not None:
        country_after = check.country("country", country) if country.strip() else None
        values["country"] = country_after
    if vat_number is not None:
        values["vat_number"] = check.vat_number("vat_number", vat_number, country_after) if vat_number.strip() else None
    if address is not None:
        values["address"] = check.prose("address", address)
    if email is not None:
        values["email"] = check.email("email", email) if email.strip() else None
    if locale is not None:
        values["locale"] = check.locale("locale", locale) if locale.strip() else None
    return values
