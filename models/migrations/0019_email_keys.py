"""Keys of e-mail addresses in lower case. Case folding joined mailboxes such as groß@example.com and gross@example.com.

Only keys with a character outside of ASCII can change. The migration prints each login whose key changes, with the
number of open invitations that it can no longer see because they name another mailbox. If two logins would have the
same key, it prints both and changes nothing.
"""

import sys
import unicodedata
from typing import Any

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

READ = "SELECT id::text, email, email_key FROM {table} WHERE email ~ '[^ -~]' AND email_key LIKE '%@%' FOR UPDATE"
COUNT_INVITATIONS = "SELECT count(*)::int AS count FROM invitations WHERE email_key = $1 AND status = 'PENDING'"
OTHER_LOGIN = "SELECT id::text FROM users WHERE email_key = $1 AND id <> $2::uuid"


async def use_lower_case(_apps: object, editor: Any) -> None:
    """Replace the keys of logins and invitations by lower-case ones. Raises RuntimeError if two logins collide."""
    await _replace_keys(editor.client, str.lower)


async def use_case_folding(_apps: object, editor: Any) -> None:
    """Restore the keys of the former version. Raises RuntimeError if two logins collide."""
    await _replace_keys(editor.client, str.casefold)


async def _replace_keys(client: Any, fold: Any) -> None:
    for table in ("invitations", "users"):
        for row in await client.execute_query_dict(READ.format(table=table)):
            key = _key(row["email"], row["email_key"], fold)
            if key == row["email_key"]:
                continue
            if table == "users":
                await _report(client, row, key)
            await client.execute_query(
                f"UPDATE {table} SET email_key = $1 WHERE id = $2::uuid",
                [key, row["id"]],
            )


def _key(email: str, former_key: str, fold: Any) -> str:
    local_part, domain = email.rpartition("@")[0], former_key.rpartition("@")[2]
    return f"{unicodedata.normalize('NFC', fold(unicodedata.normalize('NFC', local_part)))}@{domain}"


async def _report(client: Any, row: dict[str, str], key: str) -> None:
    others = await client.execute_query_dict(OTHER_LOGIN, [key, row["id"]])
    if others:
        raise RuntimeError(
            f"The logins {row['id']} and {others[0]['id']} have the same address in another spelling. Nothing was"
            " changed. Change one of the addresses or erase one of the logins, then migrate again."
        )
    invitations = await client.execute_query_dict(COUNT_INVITATIONS, [row["email_key"]])
    sys.stderr.write(
        f"Login {row['id']} has a new address key. {invitations[0]['count']} open invitations name another mailbox.\n"
    )


class Migration(TortoiseMigration):
    """Compare addresses in lower case."""

    dependencies = [("models", "0018_session_proofs")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunPython(use_lower_case, use_case_folding)]  # noqa: RUF012
