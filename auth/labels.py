"""What roles and permissions mean, in words for the people who give them."""

from typing import Final

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
    Role.OWNER: mark("The account is his. Everything, and the only one who can hand it over."),
    Role.ADMINISTRATOR: mark("Everything but the ownership, users included. Appointed by the owner."),
    Role.COLLABORATOR: mark("Everything but inviting and removing users."),
    Role.ACCOUNTANT: mark("All data, reports and exports; no settings, no users."),
    Role.CONSULTANT: mark("Works for a bureau; exactly what he has been given here."),
    Role.SIMPLE_USER: mark("Daily work with the data, as far as the owner leaves it to him."),
}
PERMISSIONS: Final = {
    Permission.ACCOUNT_READ: mark("See the account itself."),
    Permission.SETTINGS_READ: mark("See the settings."),
    Permission.SETTINGS_WRITE: mark("Change the settings, the name and the numbers."),
    Permission.USERS_READ: mark("See who has access, and who is invited."),
    Permission.USERS_WRITE: mark("Invite people, change and take back their access."),
    Permission.SUBSCRIPTION_READ: mark("See how long the subscription lasts, and its ledger."),
    Permission.SUBSCRIPTION_WRITE: mark("Give days of the subscription to other accounts."),
    Permission.EVENTS_READ: mark("See who changed what."),
    Permission.MESSAGES_READ: mark("See the mails that were sent for the account."),
    Permission.DOCUMENTS_READ: mark("See invoices and other documents."),
    Permission.DOCUMENTS_READ_ALL: mark("See documents of others too, not only own ones."),
    Permission.DOCUMENTS_WRITE: mark("Write and change documents."),
    Permission.DOCUMENTS_SEND: mark("Send documents."),
    Permission.DOCUMENTS_DELETE: mark("Delete documents."),
    Permission.EXPENSES_READ: mark("See expenses."),
    Permission.EXPENSES_WRITE: mark("Enter and change expenses."),
    Permission.CONTACTS_READ: mark("See contacts."),
    Permission.CONTACTS_WRITE: mark("Enter and change contacts."),
    Permission.PRODUCTS_READ: mark("See products."),
    Permission.PRODUCTS_WRITE: mark("Enter and change products."),
    Permission.PURCHASE_PRICES_READ: mark("See what products cost in purchase."),
    Permission.REPORTS_READ: mark("See reports."),
    Permission.EXPORTS_CREATE: mark("Export data."),
    Permission.OWNERSHIP: mark("Hand the account over, and appoint administrators."),
}
