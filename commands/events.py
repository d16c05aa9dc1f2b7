"""The command that verifies the hash chains of events."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from commands.runtime import database, load_settings

if TYPE_CHECKING:
    from models.audit.anchor import Anchor
    from models.audit.chain import ChainReport, Head


@click.command(name="verify-events")
@click.option(
    "--account", "number", type=click.IntRange(min=1), help="Verify only the chain of the account with this number."
)
@click.option(
    "--anchor", type=click.Path(path_type=Path, dir_okay=False), help="File with the chain heads of earlier times."
)
@click.pass_context
def verify_events(ctx: click.Context, *, number: int | None, anchor: Path | None) -> None:
    """Find the first event of each chain that was changed, moved, inserted or removed.

    The command also finds personal data that was removed without an erasure of its person.

    With --anchor FILE, the command also finds chains whose end was cut off and chains that were
    rewritten or removed as a whole: each chain must contain its head in FILE. If no chain is broken,
    the heads that changed are appended to FILE, unless --account is used or FILE is read-only. A
    server with FULLMAKT_ANCHOR_FILE appends to its file every minute. Keep FILE, or copies of it,
    where users with write access to the database cannot write.
    """
    with database(load_settings()) as settings:
        broken_count = asyncio.run(_verify(settings.database_url, number, anchor))
    if broken_count:
        ctx.exit(1)


async def _verify(url: str, number: int | None, path: Path | None) -> int:
    """Print each broken chain and a summary. Returns the number of broken chains."""
    from database import db
    from models.accounts import account
    from models.audit import anchor, chain
    from models.tables import SCHEMA

    contents = _read(path)
    chain_count = event_count = erased_count = broken_count = 0
    heads: list[Head] = []
    async with db.connection(url, SCHEMA, pool_size=2):
        account_row = None if number is None else await account.by_number(number)
        if number is not None and account_row is None:
            raise click.ClickException("No account has this number.")
        chain_id = account_row.id if account_row else None
        transaction = await anchor.load_transaction()
        async for result in chain.verify(_heads(contents, chain_id), chain_id=chain_id):
            chain_count += 1
            event_count += result.events
            erased_count += result.forgotten_events
            if result.first_break is not None:
                broken_count += 1
                click.echo(await _describe(result))
            elif result.head is not None and path is not None:
                heads.append(result.head)
        if (unlinked_event := await chain.find_unlinked(chain_id)) is not None:
            broken_count += 1
            click.echo(f"Event {unlinked_event} is in no chain: it was inserted.")
    counts = f"{chain_count} chains, {event_count} events ({erased_count} with erased data)"
    click.echo(f"{counts}; {broken_count or 'none'} broken.")
    if path is not None and contents is not None and contents.last_seal is not None:
        click.echo(f"The anchor has {contents.seal_count} seals, the last of {contents.last_seal.sealed_at}.")
    if path is not None and chain_id is None and not broken_count and _is_writable(path):
        changed_heads = [*anchor.changed_heads(heads, contents.heads if contents else ())]
        last_seal = contents.last_seal if contents else None
        _ = anchor.append(
            path, changed_heads, sealed_at=datetime.now(UTC), transaction=transaction, last_seal=last_seal
        )
    return broken_count


def _read(path: Path | None) -> "Anchor | None":
    """Read an anchor file. None if it does not exist yet."""
    from models.audit import anchor

    if path is None or not path.exists():
        return None
    try:
        return anchor.read(path)
    except anchor.InvalidAnchor as error:
        raise click.ClickException(str(error)) from None


def _heads(contents: "Anchor | None", chain_id: UUID | None) -> "list[Head]":
    """The heads in an anchor, or the head of one chain."""
    return [head for head in contents.heads if chain_id in {None, head.chain}] if contents else []


def _is_writable(path: Path) -> bool:
    return os.access(path if path.exists() else path.parent, os.W_OK)


async def _describe(result: "ChainReport") -> str:
    """Describe a broken chain. A chain of an account is named by the account number."""
    from models.accounts import account

    assert result.first_break is not None  # noqa: S101 - only broken chains are described
    (row,) = await account.by_ids([result.chain])
    owner = f"account {row.number}" if row else f"{result.chain}, which belongs to no account"
    event = f", event {result.first_break.event_id}" if result.first_break.event_id else ""
    return f"Chain of {owner}: broken at position {result.first_break.position}{event}: {result.first_break.reason}."
