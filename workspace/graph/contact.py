"""Contacts in the graph."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from auth.policy import Permission
from database.listing import Connection as Page
from resolvers import rights
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, related, rows_by_ids
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field, needs
from schema.payload import Payload, payload
from workspace import contact, lists
from workspace.contact import ContactKind, ContactRow
from workspace.lists import ContactOrder

# ---- Resolvers -------------------------------------------------------------------------------

by_ids = rows_by_ids(contact.by_ids)
"""The contacts with these ids. None for an unknown id."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.ContactFilter | None = None,  # noqa: A002 - the argument's name
    order_by: ContactOrder | None = None,
    **page: Any,
) -> list[Page[ContactRow]]:
    """The contacts of each account."""
    query = lists.contacts(filter, order_by, info.context.caller.locale)
    return await pages(query, [row["id"] for row in accounts], info, page)


async def of_rows(rows: Sequence[Any], info: Info) -> Sequence[Any]:
    """The contact that each row refers to. None if it refers to none."""
    return await related(rows, "contact", info, by_ids)


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"contact": (await by_ids([key], context))[0]}


create_contact = mutation_resolver(contact.create, _load_payload)
update_contact = mutation_resolver(contact.update, _load_payload)
archive_contact = mutation_resolver(contact.archive, _load_payload)

# ---- Types -----------------------------------------------------------------------------------

graph_enum(
    ContactKind,
    "The part that a contact has in the trade of the account.",
    {
        ContactKind.CUSTOMER: "It buys from the account.",
        ContactKind.SUPPLIER: "The account buys from it.",
        ContactKind.BOTH: "It buys and sells.",
    },
)
graph_enum(
    ContactOrder,
    "The order of a list of contacts. The default is CREATED_AT.",
    {
        ContactOrder.NAME: "By name, in the alphabet of the viewer's language. Of a longer list, the newest 10,000.",
        ContactOrder.CREATED_AT: "By creation, the oldest first.",
    },
)


@graph_type(
    needs(Permission.CONTACTS_READ),
    rights.of_account_parts,
    description="A customer or supplier of an account.",
)
class Contact(Node):
    """A contact."""

    id: strawberry.ID = global_id("Contact")
    kind: ContactKind = field(description="The kind of contact.")
    name: str = field(description="The name.")
    country: str | None = field(description="The country, ISO 3166-1 alpha-2. Null: none is set.")
    vat_number: str | None = field(description="The VAT number, with the country's prefix. Null: none is set.")
    address: str | None = field(description="The postal address, in lines. Null: none is set.")
    email: str | None = field(description="The e-mail address for documents. Null: none is set.")
    locale: str | None = field(description="The language of documents, a BCP 47 tag. Null: that of the account.")
    is_archived: bool = field(description="True if it is no longer used.")
    created_at: datetime = field(description="When it was created.")


@strawberry.input(description="A filter of contacts. A null or omitted field does not restrict.")
class ContactFilter:
    """A filter of contacts."""

    search: str | None = input_field(
        "Words of the name, e-mail address or VAT number, or parts of them. Case and accents do not count."
    )
    kind: list[ContactKind] | None = input_field("The kinds of contact.")
    is_archived: bool | None = input_field("True: only archived contacts. False: only those in use.")


# ---- Inputs and payloads ---------------------------------------------------------------------

_NAME = "The name of the contact, at most 200 characters."
_VAT_NUMBER = "The VAT number, of the European Union or Norway. The prefix of the contact's country may be omitted."


@strawberry.input(description="A new contact.")
class CreateContactInput:
    """The input of createContact."""

    account_id: strawberry.ID
    name: str = input_field(_NAME)
    kind: ContactKind | None = input_field("The kind of contact. Null or omitted: CUSTOMER.")
    country: str | None = input_field("The country, ISO 3166-1 alpha-2.")
    vat_number: str | None = input_field(_VAT_NUMBER)
    address: str | None = input_field("The postal address, in lines, at most 2000 characters.")
    email: str | None = input_field("The e-mail address for documents.")
    locale: str | None = input_field("The language of documents, a BCP 47 tag.")
    idempotency_key: str | None


@strawberry.input(
    description="The fields of the contact to change. A null or omitted field stays as it is. An empty text removes a "
    "value other than the name."
)
class UpdateContactInput:
    """The input of updateContact."""

    contact_id: strawberry.ID
    name: str | None = input_field(_NAME)
    kind: ContactKind | None = input_field("The kind of contact.")
    country: str | None = input_field("The country, ISO 3166-1 alpha-2.")
    vat_number: str | None = input_field(_VAT_NUMBER)
    address: str | None = input_field("The postal address, in lines, at most 2000 characters.")
    email: str | None = input_field("The e-mail address for documents.")
    locale: str | None = input_field("The language of documents, a BCP 47 tag.")


@strawberry.input(description="A contact to archive, or to take out of the archive.")
class ArchiveContactInput:
    """The input of archiveContact."""

    contact_id: strawberry.ID
    is_archived: bool | None = input_field("False takes the contact out of the archive. Null or omitted: true.")


@payload
class CreateContactPayload(Payload):
    """The payload of createContact."""

    contact: Contact | None = field(description="The new contact. Null if refused.")


@payload
class UpdateContactPayload(Payload):
    """The payload of updateContact."""

    contact: Contact | None = field(description="The contact after the change. Null if refused.")


@payload
class ArchiveContactPayload(Payload):
    """The payload of archiveContact."""

    contact: Contact | None = field(description="The contact after the change. Null if refused.")
