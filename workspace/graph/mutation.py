"""The mutations of the workspace."""

from schema.declare import graph_part, mutation
from workspace.graph import contact, document, expense, export, line_change, product, sending


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
    add_document_line: line_change.AddDocumentLinePayload | None = mutation(
        line_change.add_document_line,
        line_change.AddDocumentLineInput,
        description="Add a line to a draft.",
    )
    update_document_line: line_change.UpdateDocumentLinePayload | None = mutation(
        line_change.update_document_line,
        line_change.UpdateDocumentLineInput,
        description="Change a line of a draft.",
    )
    remove_document_line: line_change.RemoveDocumentLinePayload | None = mutation(
        line_change.remove_document_line,
        line_change.RemoveDocumentLineInput,
        description="Remove a line from a draft.",
    )
    issue_document: document.IssueDocumentPayload | None = mutation(
        document.issue_document,
        document.IssueDocumentInput,
        description="Issue a draft: it gets the next number of the account's series, and does not change any more.",
    )
    send_document: sending.SendDocumentPayload | None = mutation(
        sending.send_document,
        sending.SendDocumentInput,
        description="Send an issued document by mail, with its PDF and the invoice by EN 16931. It can be sent again.",
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
    create_expense: expense.CreateExpensePayload | None = mutation(
        expense.create_expense,
        expense.CreateExpenseInput,
        description="Create an expense of an account.",
    )
    update_expense: expense.UpdateExpensePayload | None = mutation(
        expense.update_expense,
        expense.UpdateExpenseInput,
        description="Change an expense.",
    )
    archive_expense: expense.ArchiveExpensePayload | None = mutation(
        expense.archive_expense,
        expense.ArchiveExpenseInput,
        description="Archive an expense, or take it out of the archive.",
    )
    create_export: export.CreateExportPayload | None = mutation(
        export.create_export,
        export.CreateExportInput,
        description="Create an export of rows of an account. The server writes its file in the background.",
    )
    create_export_link: export.CreateExportLinkPayload | None = mutation(
        export.create_export_link,
        export.CreateExportLinkInput,
        description="Create a link that downloads an export once, within five minutes. It replaces the link before.",
    )
