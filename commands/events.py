"""Verifying that nobody rewrote what happened."""

import asyncio
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO
from uuid import UUID

import click

from commands.runtime import database, settings

if TYPE_CHECKING:
    from models.audit.chain import Checked, Head


@click.command(name="verify-events")
@click.option("--account", "number", type=click.IntRange(min=1), help="Only the chain of the account with this number.")
@click.option("--anchor", type=click.Path(path_type=Path, dir_okay=False), help="Heads that an earlier run left there.")
@click.pass_context
def verify_events(ctx: click.Context, *, number: int | None, anchor: Path | None) -> None:
    """Find the first event of each chain that was changed, moved, put in or taken out.

    With --anchor FILE also what was cut off at a chain's end, or written anew as a whole: the chains
    must contain what FILE remembers. Where all is well FILE is written anew, unless only one account
    is looked at. Keep copies of it where nobody can write who may write to the database.
    """
    with database(settings()) as ready:
        broken = asyncio.run(_verify(ready.database_url, number, anchor))
    if broken:
        ctx.exit(1)


async def _verify(url: str, number: int | None, anchor: Path | None) -> int:
    """Tell what is wrong with which chain, and how many chains there are. Returns how many are broken."""
    from database import db
    from models.accounts import account
    from models.audit import chain
    from models.tables import SCHEMA

    chains = events = erased = broken = 0
    async with db.connection(url, SCHEMA, pool_size=2):
        found = None if number is None else await account.by_number(number)
        if number is not None and found is None:
            raise click.ClickException("No account has this number.")
        only = found.id if found else None
        with _read(anchor, only) as kept, _replaced(None if only else anchor) as heads:
            async for one in chain.verify(kept, only=only):
                chains, events, erased = chains + 1, events + one.events, erased + one.forgotten
                if one.broken is not None:
                    broken += 1
                    click.echo(await _told(one))
                elif one.head is not None and heads is not None:
                    heads.write(f"{one.head.chain} {one.head.position} {one.head.hash.hex()}\n")
            if (loose := await chain.unlinked(only)) is not None:
                broken += 1
                click.echo(f"Event {loose} is in no chain: it was put in.")
            if broken and heads is not None:
                _ = heads.truncate(0)
    click.echo(f"{chains} chains, {events} events, {erased} of them with something erased; {broken or 'none'} broken.")
    return broken


async def _told(one: "Checked") -> str:
    """A broken chain, named as the operator knows it."""
    from models.accounts import account

    assert one.broken is not None  # noqa: S101 - whole chains are not told of
    (found,) = await account.by_ids([one.chain])
    whose = f"account {found.number}" if found else f"{one.chain}, outside of accounts"
    event = f", event {one.broken.event_id}" if one.broken.event_id else ""
    return f"Chain of {whose}: broken at place {one.broken.position}{event}: {one.broken.reason}."


@contextmanager
def _read(anchor: Path | None, only: UUID | None) -> Generator[Iterator["Head"]]:
    """The heads in an anchor, or that of one chain, read as they are asked for; none before the first run."""
    if anchor is None or not anchor.exists():
        yield iter(())
        return
    with anchor.open() as file:
        yield (head for head in _heads(file) if only in {None, head.chain})


def _heads(file: TextIO) -> Iterator["Head"]:
    from models.audit.chain import Head

    last: UUID | None = None
    for number, line in enumerate(file, 1):
        try:
            chain, position, digest = line.split()
            head = Head(UUID(chain), int(position), bytes.fromhex(digest))
        except ValueError:
            raise click.ClickException(f"{file.name}:{number} is no line of an anchor.") from None
        if last is not None and head.chain <= last:
            raise click.ClickException(f"{file.name}:{number} is out of order.")
        last = head.chain
        yield head


@contextmanager
def _replaced(path: Path | None) -> Generator[IO[str] | None]:
    """A new file that takes the place of the one at `path` when the block ends, unless it is left empty."""
    if path is None:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        fresh = Path(file.name)
        try:
            yield file
            file.flush()
            if fresh.stat().st_size:
                _ = fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
