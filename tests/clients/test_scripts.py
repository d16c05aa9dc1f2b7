"""Each client's own script, run by node against the server. What it says stands in the failure."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import HERE, Site, said

SCRIPTS = sorted(HERE.glob("*.test.mjs"))
LONGEST_SECONDS = 90


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name.partition(".")[0])
async def test_client(site: Site, node: Path, script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        node,
        "--test",
        "--test-reporter=spec",
        f"--test-timeout={LONGEST_SECONDS * 1000}",
        script,
        cwd=HERE,
        env=said(site),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            _ = await process.wait()

    report = output.decode()
    counts = dict(re.findall(r"^. (pass|fail|skipped|todo|cancelled) (\d+)$", report, re.MULTILINE))
    passed = int(counts.pop("pass", "0"))
    if process.returncode != 0 or not passed or set(counts.values()) != {"0"}:
        pytest.fail(report, pytrace=False)
    if notes := re.findall(r"^note: (.*)$", report, re.MULTILINE):
        with capsys.disabled():
            _ = sys.stdout.write("".join(f"\n  {note}" for note in notes) + "\n")
