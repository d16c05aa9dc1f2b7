"""Descriptions that belong to no single field: of the schema, and of arguments and input fields with a shared name.

An argument always has its description from here. An input field has its own (`input_field`), or the one from here.
"""

from typing import Final

SCHEMA: Final = (
    "Accounts, the access of users to them, and every change of that access. A grant gives a user a role and "
    "permissions in an account. The description of a guarded field names its permission and the roles that have it."
)

SHARED: Final = {
    # Pages
    "first": "The number of entries from the start, 1 to 100. Not together with `last`. By default 50.",
    "after": "A cursor. The page starts after its entry. Null or omitted: at the start of the list.",
    "last": "The number of entries from the end, 1 to 100. Not together with `first`.",
    "before": "A cursor. The page ends before its entry. Null or omitted: at the end of the list.",
    "filter": "Only entries that match every given field of the filter. Null or omitted: all entries.",
    "orderBy": "The order of the entries. Null or omitted: the default that the enum names.",
    # Fields
    "id": "A global id.",
    "ids": "Global ids, at most 100.",
    "number": "The public number of an account.",
    "permission": "A permission in the account.",
    "orSelf": "True if users may also read their own data without the permission.",
    "always": "True if each call needs it. False: only in the case that the description names.",
    "relation": "Only links of this kind. Null or omitted: all links.",
    "startsOn": "The first day. Null or omitted: the first day of the year of `endsOn`, or of this year (UTC).",
    "endsOn": "The last day, at most three years after the first. Null or omitted: the last day of the year of "
    "`startsOn`, or of this year (UTC).",
    "input": "The input of the mutation.",
    # Ids of input objects
    "accountId": "The id of the account.",
    "accessRequestId": "The id of the access request.",
    "bureauAccountId": "The id of the bureau's account.",
    "clientAccountId": "The id of the client's account.",
    "clientAccountIds": "The ids of the clients' accounts, 1 to 100.",
    "engagementId": "The id of the engagement.",
    "engagementRequestId": "The id of the request for an engagement.",
    "grantId": "The id of the grant.",
    "contactId": "The id of the contact.",
    "documentId": "The id of the document.",
    "documentLineId": "The id of the line.",
    "expenseId": "The id of the expense.",
    "productId": "The id of the product.",
    "invitationId": "The id of the invitation.",
    "passkeyId": "The id of the passkey.",
    "sessionId": "The id of the session.",
    "userId": "The id of the user.",
    # Other input fields
    "country": "The country of the organization number, ISO 3166-1 alpha-2. Required with an organization number.",
    "idempotencyKey": "A text that the client chooses for each action of the user, at most 200 characters. "
    "A second request of the viewer with the same mutation, key and input within 24 hours changes nothing and returns "
    "the outcome of the first. With another input it is refused. Null or omitted: each request is a new action.",
    "organizationNumber": "The organization number by the rules of its country. Spaces and dashes are ignored.",
    "permissions": "The only permissions of the grant. For CONSULTANT and SIMPLE_USER alone. Null or omitted: "
    "no permissions for a consultant, all permissions of the role for a simple user.",
    "token": "The token of the mailed link.",
}
