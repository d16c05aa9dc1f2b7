"""Runs a command of the command line in its own process, as in production."""

import asyncio
import os
import sys

from tests.api import KEY
from tests.serving import PUBLIC_URL, ROOT


async def run_command(database_url: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command. Returns the exit code, the standard output and the standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "cli.py"),
        *arguments,
        env={
            "PATH": os.environ["PATH"],
            "FULLMAKT_DATABASE_URL": database_url,
            "FULLMAKT_SECRET_KEY": KEY,
            "FULLMAKT_PUBLIC_URL": PUBLIC_URL,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, error_output = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), error_output.decode()
