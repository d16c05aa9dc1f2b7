"""The mutations of the workspace."""

from schema.declare import graph_part, mutation
from workspace.graph import contact, document, product


@graph_part
class MutationPart:
    """Fields of Mutation."""

    create_contact: contact.CreateContactPayload | None = mutation(
        contact.create_contact,
        contact.CreateContactInput,
        description="Create a customer or supplier of an account.",
    )
    update_contact: contact.UpdateContactPayload | None = mutation(
        contact.update_contact,
        contact.UpdateContactInput,
        description="Change a contact. Documents that were issued keep their copies.",
    )
    archive_contact: contact.ArchiveContactPayload | None = mutation(
        contact.archive_contact,
        contact.ArchiveContactInput,
        description="Archive a contact, or take it out of the archive.",
    )
    create_product: product.CreateProductPayload | None = mutation(
        product.create_product,
        product.CreateProductInput,
        description="Create a product of an account.",
    )
    update_product: product.UpdateProductPayload | None = mutation(
        product.update_product,
        product.UpdateProductInput,
        description="Change a product. Lines of documents keep their copies.",
    )
    archive_product: product.ArchiveProductPayload | None = mutation(
        product.archive_product,
        product.ArchiveProductInput,
        description="Archive a product, or take it out of the archive.",
    )
    create_document: document.CreateDocumentPayload | None = mutation(
        document.create_document,
        document.CreateDocumentInput,
        description="Create the draft of an invoice.",
    )
    update_document: document.UpdateDocumentPayload | None = mutation(
        document.update_document,
        document.UpdateDocumentInput,
        description="Change a draft.",
    )
    delete_document: document.DeleteDocumentPayload | None = mutation(
        document.delete_document,
        document.DeleteDocumentInput,
        description="Delete a draft. An issued document is never deleted.",
    )
    add_document_line: document.AddDocumentLinePayload | None = mutation(
        document.add_document_line,
        document.AddDocumentLineInput,
        description="Add a line to a draft.",
    )
    remove_document_line: document.RemoveDocumentLinePayload | None = mutation(
        document.remove_document_line,
        document.RemoveDocumentLineInput,
        description="Remove a line from a draft.",
    )
    issue_document: document.IssueDocumentPayload | None = mutation(
        document.issue_document,
        document.IssueDocumentInput,
        description="Issue a draft: it gets the next number of the account's series, and does not change any more.",
    )
    create_credit_note: document.CreateCreditNotePayload | None = mutation(
        document.create_credit_note,
        document.CreateCreditNoteInput,
        description="Create the draft of a credit note for an issued invoice, with all of its lines.",
    )
    record_payment: document.RecordPaymentPayload | None = mutation(
        document.record_payment,
        document.RecordPaymentInput,
        description="Record a payment of an issued invoice.",
    )
