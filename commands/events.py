"""The command that verifies the hash chains of events."""

import asyncio
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO
from uuid import UUID

import click

from commands.runtime import database, load_settings

if TYPE_CHECKING:
    from models.audit.chain import ChainReport, Head


@click.command(name="verify-events")
@click.option(
    "--account", "number", type=click.IntRange(min=1), help="Verify only the chain of the account with this number."
)
@click.option(
    "--anchor", type=click.Path(path_type=Path, dir_okay=False), help="File with the chain heads of an earlier run."
)
@click.pass_context
def verify_events(ctx: click.Context, *, number: int | None, anchor: Path | None) -> None:
    """Find the first event of each chain that was changed, moved, inserted or removed.

    With --anchor FILE, the command also finds chains whose end was cut off and chains that were
    rewritten as a whole: each chain must contain its head in FILE. If no chain is broken, FILE is
    replaced with the current heads, unless --account is used. Keep copies of FILE where users with
    write access to the database cannot write.
    """
    with database(load_settings()) as settings:
        broken_count = asyncio.run(_verify(settings.database_url, number, anchor))
    if broken_count:
        ctx.exit(1)


async def _verify(url: str, number: int | None, anchor: Path | None) -> int:
    """Print each broken chain and a summary. Returns the number of broken chains."""
    from database import db
    from models.accounts import account
    from models.audit import chain
    from models.tables import SCHEMA

    chain_count = event_count = erased_count = broken_count = 0
    async with db.connection(url, SCHEMA, pool_size=2):
        account_row = None if number is None else await account.by_number(number)
        if number is not None and account_row is None:
            raise click.ClickException("No account has this number.")
        chain_id = account_row.id if account_row else None
        with (
            _read_anchor(anchor, chain_id) as anchor_heads,
            _replacement_file(None if chain_id else anchor) as new_anchor,
        ):
            async for result in chain.verify(anchor_heads, chain_id=chain_id):
                chain_count += 1
                event_count += result.events
                erased_count += result.forgotten_events
                if result.first_break is not None:
                    broken_count += 1
                    click.echo(await _describe(result))
                elif result.head is not None and new_anchor is not None:
                    new_anchor.write(f"{result.head.chain} {result.head.position} {result.head.hash.hex()}\n")
            if (unlinked_event := await chain.find_unlinked(chain_id)) is not None:
                broken_count += 1
                click.echo(f"Event {unlinked_event} is in no chain: it was inserted.")
            if broken_count and new_anchor is not None:
                _ = new_anchor.truncate(0)
    counts = f"{chain_count} chains, {event_count} events ({erased_count} with erased data)"
    click.echo(f"{counts}; {broken_count or 'none'} broken.")
    return broken_count


async def _describe(result: "ChainReport") -> str:
    """Describe a broken chain. A chain of an account is named by the account number."""
    from models.accounts import account

    assert result.first_break is not None  # noqa: S101 - only broken chains are described
    (row,) = await account.by_ids([result.chain])
    owner = f"account {row.number}" if row else f"{result.chain}, which belongs to no account"
    event = f", event {result.first_break.event_id}" if result.first_break.event_id else ""
    return f"Chain of {owner}: broken at position {result.first_break.position}{event}: {result.first_break.reason}."


@contextmanager
def _read_anchor(anchor: Path | None, chain_id: UUID | None) -> Generator[Iterator["Head"]]:
    """Yield the heads in an anchor file, or the head of one chain, lazily. None if the file does not exist yet."""
    if anchor is None or not anchor.exists():
        yield iter(())
        return
    with anchor.open() as file:
        yield (head for head in _parse_anchor(file) if chain_id in {None, head.chain})


def _parse_anchor(file: TextIO) -> Iterator["Head"]:
    from models.audit.chain import Head

    previous: UUID | None = None
    for number, line in enumerate(file, 1):
        try:
            chain, position, digest = line.split()
            head = Head(UUID(chain), int(position), bytes.fromhex(digest))
        except ValueError:
            raise click.ClickException(f"{file.name}:{number} is not a line of an anchor file.") from None
        if previous is not None and head.chain <= previous:
            raise click.ClickException(f"{file.name}:{number} is out of order.")
        previous = head.chain
        yield head


@contextmanager
def _replacement_file(path: Path | None) -> Generator[IO[str] | None]:
    """Yield a new file that replaces the one at `path` at the end of the block, unless it is empty."""
    if path is None:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        new_path = Path(file.name)
        try:
            yield file
            file.flush()
            if new_path.stat().st_size:
                _ = new_path.replace(path)
        finally:
            new_path.unlink(missing_ok=True)
