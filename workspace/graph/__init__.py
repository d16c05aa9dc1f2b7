"""The workspace in the graph: what schema/build.py and the resolvers of the product read from it."""

from collections.abc import Mapping
from typing import Any, Final

from resolvers import rights
from workspace.contact import ContactRow
from workspace.document import DocumentRow
from workspace.document_line import DocumentLineRow
from workspace.graph import contact, document, document_line, product
from workspace.graph.account import AccountPart
from workspace.graph.contact import Contact
from workspace.graph.document import Document, of_documents
from workspace.graph.document_line import DocumentLine, of_lines
from workspace.graph.mutation import MutationPart
from workspace.graph.product import Product
from workspace.product import ProductRow

ACCOUNT: Final = AccountPart
MUTATION: Final = MutationPart
TYPES: Final[tuple[type, ...]] = (Contact, Product, Document, DocumentLine)
LOADERS: Final[Mapping[str, Any]] = {
    "Contact": contact.by_ids,
    "Product": product.by_ids,
    "Document": document.by_ids,
    "DocumentLine": document_line.by_ids,
}
ROW_RIGHTS: Final = {
    ContactRow: rights.of_account_parts,
    ProductRow: rights.of_account_parts,
    DocumentRow: of_documents,
    DocumentLineRow: of_lines,
}
