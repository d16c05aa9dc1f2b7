"""Names and descriptions of roles and permissions, for the users who grant them."""

from typing import Final

import modules
from auth.policy import Permission, Role
from i18n import mark

ROLE_NAMES: Final = {
    Role.OWNER: mark("Owner"),
    Role.ADMINISTRATOR: mark("Administrator"),
    Role.COLLABORATOR: mark("Collaborator"),
    Role.ACCOUNTANT: mark("Accountant"),
    Role.CONSULTANT: mark("Consultant"),
    Role.SIMPLE_USER: mark("Simple user"),
}
ROLES: Final = {
    Role.OWNER: mark("Owns the account. Has every permission. Only the owner can transfer the account."),
    Role.ADMINISTRATOR: mark("Everything except the ownership, including the users. Appointed by the owner."),
    Role.COLLABORATOR: mark("Everything except inviting and removing users."),
    Role.ACCOUNTANT: mark("All data, reports and exports; no settings, no users."),
    Role.CONSULTANT: mark("Works for a bureau. Has exactly the permissions granted here."),
    Role.SIMPLE_USER: mark("Daily work with the data, within the limits set by the owner."),
}
PERMISSIONS: Final = {
    Permission.ACCOUNT_READ: mark("See the account itself."),
    Permission.SETTINGS_READ: mark("See the settings."),
    Permission.SETTINGS_WRITE: mark("Change the settings, the name and the numbers."),
    Permission.USERS_READ: mark("See the users with access, and the invitations."),
    Permission.USERS_WRITE: mark("Invite people, and change or revoke their access."),
    Permission.SUBSCRIPTION_READ: mark("See the end of the subscription, and its ledger."),
    Permission.SUBSCRIPTION_WRITE: mark("Transfer subscription days to other accounts."),
    Permission.EVENTS_READ: mark("See the history of changes."),
    Permission.MESSAGES_READ: mark("See the mails that were sent for the account."),
    Permission.DOCUMENTS_READ: mark("See invoices and other documents."),
    Permission.DOCUMENTS_READ_ALL: mark("See the documents of other users too."),
    Permission.DOCUMENTS_WRITE: mark("Write and change documents."),
    Permission.DOCUMENTS_SEND: mark("Send documents."),
    Permission.DOCUMENTS_DELETE: mark("Delete documents."),
    Permission.EXPENSES_READ: mark("See expenses."),
    Permission.EXPENSES_WRITE: mark("Enter and change expenses."),
    Permission.CONTACTS_READ: mark("See contacts."),
    Permission.CONTACTS_WRITE: mark("Enter and change contacts."),
    Permission.PRODUCTS_READ: mark("See products."),
    Permission.PRODUCTS_WRITE: mark("Enter and change products."),
    Permission.PURCHASE_PRICES_READ: mark("See the purchase prices of products."),
    Permission.REPORTS_READ: mark("See reports."),
    Permission.EXPORTS_CREATE: mark("Export data."),
    Permission.OWNERSHIP: mark("Transfer the account, and appoint administrators."),
    **{
        Permission(permission.name): permission.description
        for module in modules.all_modules()
        for permission in module.permissions
    },
}
