"""The types of the events of the workspace, each with its description and the rules of its facts."""

from typing import Final

from auth.policy import Permission
from auth.rules import needs
from models.audit.event_type import EventTypeEnum, guard
from workspace.scope import SCOPE

_CONTACT: Final = guard(
    needs(Permission.CONTACTS_READ), "contact kind name country vat_number address email locale is_archived"
)
_PRODUCT: Final = {
    **guard(needs(Permission.PRODUCTS_READ), "product name unit currency price vat_rate is_archived"),
    **guard(needs(Permission.PURCHASE_PRICES_READ), "purchase_price"),
}
_EXPENSE: Final = {
    **guard(
        needs(Permission.EXPENSES_READ),
        "expense spent_on currency reference note net_amount tax_amount amounts is_archived",
    ),
    **guard(needs(Permission.CONTACTS_READ), "contact"),
}
_DOCUMENT: Final = {
    **guard(needs(Permission.DOCUMENTS_READ), "document kind changed number amount"),
    **guard(needs(Permission.DOCUMENTS_READ_ALL), "corrected"),  # the invoice may be that of another user
}

_SEED: Final = guard(needs(Permission.DOCUMENTS_READ_ALL), "documents")

_EXPORT: Final = {
    **guard(needs(Permission.EXPORTS_CREATE), "export kind format"),
    **guard(needs(Permission.DOCUMENTS_READ_ALL), "row_count"),  # it counts documents of other users too
}


class WorkspaceEventType(EventTypeEnum):
    """A type of event of the workspace."""

    CONTACT_CREATE = "account:contact:create", "A contact was created.", _CONTACT
    CONTACT_UPDATE = "account:contact:update", "A contact was changed.", _CONTACT
    CONTACT_ARCHIVE = "account:contact:archive", "A contact was archived, or taken out of the archive.", _CONTACT
    PRODUCT_CREATE = "account:product:create", "A product was created.", _PRODUCT
    PRODUCT_UPDATE = "account:product:update", "A product was changed.", _PRODUCT
    PRODUCT_ARCHIVE = "account:product:archive", "A product was archived, or taken out of the archive.", _PRODUCT
    DOCUMENT_CREATE = "account:document:create", "A draft of a document was created.", _DOCUMENT, SCOPE
    DOCUMENT_UPDATE = "account:document:update", "A draft of a document, or its lines, were changed.", _DOCUMENT, SCOPE
    DOCUMENT_DELETE = "account:document:delete", "A draft of a document was deleted.", _DOCUMENT, SCOPE
    DOCUMENT_ISSUE = "account:document:issue", "A document was issued and got its number.", _DOCUMENT, SCOPE
    DOCUMENT_PAY = "account:document:pay", "A payment of a document was recorded.", _DOCUMENT, SCOPE
    DOCUMENT_SEND = "account:document:send", "A document was sent by mail.", _DOCUMENT, SCOPE
    EXPENSE_CREATE = "account:expense:create", "An expense was created.", _EXPENSE
    EXPENSE_UPDATE = "account:expense:update", "An expense was changed.", _EXPENSE
    EXPENSE_ARCHIVE = "account:expense:archive", "An expense was archived, or taken out of the archive.", _EXPENSE
    EXPORT_CREATE = "account:export:create", "An export of rows of the account was created.", _EXPORT
    EXPORT_LINK = "account:export:link", "A link that downloads an export was created.", _EXPORT
    EXPORT_DOWNLOAD = "account:export:download", "An export was downloaded.", _EXPORT
    SEED = "operator:workspace:seed", "The operator generated documents, and what belongs to them.", _SEED
