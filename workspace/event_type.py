"""The types of the events of the workspace, each with its description and the rules of its facts."""

from typing import Final

from auth.policy import Permission
from auth.rules import needs
from models.audit.event_type import EventTypeEnum, guard

_CONTACT: Final = guard(
    needs(Permission.CONTACTS_READ), "contact kind name country vat_number address email locale is_archived"
)
_PRODUCT: Final = {
    **guard(needs(Permission.PRODUCTS_READ), "product name unit currency price vat_rate is_archived"),
    **guard(needs(Permission.PURCHASE_PRICES_READ), "purchase_price"),
}
# A user without this permission has no documents of other users, so their events show nothing of them.
_DOCUMENT: Final = guard(needs(Permission.DOCUMENTS_READ_ALL), "document kind corrected changed number amount")


class WorkspaceEventType(EventTypeEnum):
    """A type of event of the workspace."""

    CONTACT_CREATE = "account:contact:create", "A contact was created.", _CONTACT
    CONTACT_UPDATE = "account:contact:update", "A contact was changed.", _CONTACT
    CONTACT_ARCHIVE = "account:contact:archive", "A contact was archived, or taken out of the archive.", _CONTACT
    PRODUCT_CREATE = "account:product:create", "A product was created.", _PRODUCT
    PRODUCT_UPDATE = "account:product:update", "A product was changed.", _PRODUCT
    PRODUCT_ARCHIVE = "account:product:archive", "A product was archived, or taken out of the archive.", _PRODUCT
    DOCUMENT_CREATE = "account:document:create", "A draft of a document was created.", _DOCUMENT
    DOCUMENT_UPDATE = "account:document:update", "A draft of a document, or its lines, were changed.", _DOCUMENT
    DOCUMENT_DELETE = "account:document:delete", "A draft of a document was deleted.", _DOCUMENT
    DOCUMENT_ISSUE = "account:document:issue", "A document was issued and got its number.", _DOCUMENT
    DOCUMENT_PAY = "account:document:pay", "A payment of a document was recorded.", _DOCUMENT
