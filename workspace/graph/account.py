"""The fields that the workspace adds to accounts."""

from auth.policy import Permission
from schema.connection import BOTH_WAYS, Connection
from schema.declare import field, graph_part, needs
from workspace.graph import contact, document, product
from workspace.graph.contact import Contact, ContactFilter
from workspace.graph.document import Document, DocumentFilter
from workspace.graph.product import Product, ProductFilter
from workspace.lists import ContactOrder, ProductOrder


@graph_part
class AccountPart:
    """Fields of Account."""

    contacts: Connection[Contact] | None = field(
        needs(Permission.CONTACTS_READ),
        batch=contact.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": ContactFilter | None, "order_by": ContactOrder | None},
        description="The customers and suppliers, archived ones included. Null if the viewer may not read contacts.",
    )
    products: Connection[Product] | None = field(
        needs(Permission.PRODUCTS_READ),
        batch=product.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": ProductFilter | None, "order_by": ProductOrder | None},
        description="The products, archived ones included. Null if the viewer may not read products.",
    )
    documents: Connection[Document] | None = field(
        needs(Permission.DOCUMENTS_READ),
        batch=document.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": DocumentFilter | None},
        description="The documents, the newest first. Without DOCUMENTS_READ_ALL, only those that the viewer created. "
        "Null if the viewer may not read documents.",
    )
