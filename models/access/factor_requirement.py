"""SQL conditions for accounts that require a second factor: an authenticator app or a passkey.

OFFSET 0 keeps PostgreSQL from reading a whole table to answer them for many rows.
"""


def has_factor(user: str) -> str:
    """The condition that the user with the id `user` has a second factor. `user` is a SQL expression."""
    return f"({has_app(user)} OR EXISTS (SELECT FROM passkeys k WHERE k.user_id = {user} OFFSET 0))"


def has_app(user: str) -> str:
    """The condition that the user has an authenticator app."""
    return f"EXISTS (SELECT FROM second_factors f WHERE f.user_id = {user} AND f.confirmed_at IS NOT NULL OFFSET 0)"


def factor_missing(*, user: str, account: str) -> str:
    """The condition that the account requires a second factor and the user has none.

    `account` is an alias of accounts, `user` a SQL expression of an id. The user's factor is looked up only if the
    account requires one.
    """
    return f"({account}.requires_two_factor AND NOT {has_factor(user)})"


def missing_by_grant(grants: str) -> str:
    """The same condition for a row of grants, if its account is not joined. `grants` is the alias."""
    condition = factor_missing(user=f"{grants}.user_id", account="d")
    return f"EXISTS (SELECT FROM accounts d WHERE d.id = {grants}.account_id AND {condition} OFFSET 0)"
