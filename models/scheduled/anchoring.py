"""The scheduled job that writes the anchor of the chains of events: into a file, to a command, or both."""

import asyncio
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.audit import anchor
from models.audit.chain import Head
from models.base.caller import Caller

COMMAND_SECONDS: Final = 30.0

_sent_until: Final[dict[str, int]] = {}
"""The first transaction that each command has not received from this process, if there is no file that says it."""


class CommandFailed(Exception):
    """The command of the anchor failed. Its heads are sent again with the next run."""


async def run(caller: Caller) -> int:
    """Scheduled job: anchor the heads that changed since the last run. Returns their number.

    The command receives the lines of the heads on standard input, before the file is written. If one of the two fails,
    both get the heads again with the next run. A server process that has no file sends all heads to the command once,
    after its start.
    """
    path = Path(caller.config.anchor_file) if caller.config.anchor_file else None
    command = caller.config.anchor_command
    if path is None and not command:
        return 0
    seal = await asyncio.to_thread(anchor.read_last_seal, path) if path else None
    transaction = await anchor.load_transaction()
    since = seal.transaction if seal else None
    if path is None:
        since = _sent_until.get(command)
    heads = await anchor.load_heads(since, transaction)
    if heads and command:
        await _send(command, heads)
        _sent_until[command] = transaction
    is_seal_old = seal is None or caller.now - seal.sealed_at >= anchor.SEAL_INTERVAL
    if path is not None and (heads or is_seal_old):
        _ = await asyncio.to_thread(
            anchor.append, path, heads, sealed_at=caller.now, transaction=transaction, last_seal=seal
        )
    return len(heads)


async def _send(command: str, heads: Sequence[Head]) -> None:
    process = await asyncio.create_subprocess_exec(*shlex.split(command), stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            _ = await process.communicate("".join(map(anchor.head_line, heads)).encode())
    except TimeoutError:
        process.kill()
        _ = await process.wait()
        raise
    if process.returncode:
        raise CommandFailed
