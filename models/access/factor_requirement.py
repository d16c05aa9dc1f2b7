"""Who is shut out of an account that demands a second factor, as SQL for whatever reads grants."""


def has_factor(user: str) -> str:
    """The condition that the user with the id `user` has a second factor."""
    return f"EXISTS (SELECT FROM second_factors f WHERE f.user_id = {user} AND f.confirmed_at IS NOT NULL)"


def factor_missing(*, user: str, account: str) -> str:
    """The condition that `account`, an alias of accounts, demands a second factor that `user` lacks.

    Whether he has one is looked up only for accounts that demand it.
    """
    return f"({account}.requires_two_factor AND NOT {has_factor(user)})"


def by_grant(grants: str) -> str:
    """The same for a row of `grants`, an alias, whose account is not at hand."""
    missing = factor_missing(user=f"{grants}.user_id", account="d")
    return f"EXISTS (SELECT FROM accounts d WHERE d.id = {grants}.account_id AND {missing})"
