"""Each client's own script, run by node against the server. What it says stands in the failure."""

import os
import re
import signal
import subprocess
import sys
from asyncio import create_subprocess_exec, timeout
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.clients.conftest import HERE, Site

SCRIPTS = sorted(HERE.glob("*.test.mjs"))
LONGEST_SECONDS = 120
LONGEST_TEST_SECONDS = 40


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name.partition(".")[0])
async def test_client(site: Site, node: Path, script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "report.txt"

    code = await run(node, script, told, site.environment)

    report = read(told)
    counts = dict(re.findall(r"^. (pass|fail|skipped|todo|cancelled) (\d+)$", report, re.MULTILINE))
    passed = int(counts.pop("pass", "0"))
    if code != 0 or not passed or set(counts.values()) != {"0"}:
        pytest.fail(report, pytrace=False)
    if notes := re.findall(r"^note: (.*)$", report, re.MULTILINE):
        with capsys.disabled():
            _ = sys.stdout.write("".join(f"\n  {note}" for note in notes) + "\n")


async def run(node: Path, script: Path, report: Path, environment: dict[str, str]) -> int | None:
    """Run a script with all its tests, what it says into `report`. Its exit code, None when it took too long."""
    options = ["--test", "--test-reporter=spec", f"--test-timeout={LONGEST_TEST_SECONDS * 1000}"]
    with opened(report) as said:
        process = await create_subprocess_exec(
            node,
            *options,
            script,
            cwd=HERE,
            env=os.environ | environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = None
        try:
            with suppress(TimeoutError):
                async with timeout(LONGEST_SECONDS):
                    code = await process.wait()
        finally:
            # Node runs the tests, and they a browser, as children of its own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return code


def opened(path: Path) -> BinaryIO:
    return path.open("wb")


def read(path: Path) -> str:
    return path.read_text()
