"""The script of each client, run by Node.js on the server. The failure message contains its output."""

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

from tests.clients.conftest import CLIENTS_FOLDER, ServerUnderTest

PANEL_SCRIPTS = sorted(CLIENTS_FOLDER.glob("panel-*.test.mjs"))
SCRIPTS = sorted({*CLIENTS_FOLDER.glob("*.test.mjs")} - {*PANEL_SCRIPTS})
MAX_SECONDS = 300
MAX_TEST_SECONDS = 40


def name_of(script: Path) -> str:
    return script.name.partition(".")[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
async def test_script_of_the_client_passes(
    server: ServerUnderTest, node: Path, script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await check(server, node, script, tmp_path, capsys)


@pytest.mark.parametrize("script", PANEL_SCRIPTS, ids=name_of)
async def test_script_of_the_panel_passes(
    new_server: ServerUnderTest, node: Path, script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await check(new_server, node, script, tmp_path, capsys)


async def check(
    server: ServerUnderTest, node: Path, script: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run a script and fail with its report unless all of its tests pass."""
    report_path = folder / "report.txt"

    code = await run(node, script, report_path, server.environment)

    report = read(report_path)
    counts = dict(re.findall(r"^. (pass|fail|skipped|todo|cancelled) (\d+)$", report, re.MULTILINE))
    passed_count = int(counts.pop("pass", "0"))
    if code != 0 or not passed_count or set(counts.values()) != {"0"}:
        pytest.fail(report, pytrace=False)
    if notes := re.findall(r"^note: (.*)$", report, re.MULTILINE):
        with capsys.disabled():
            _ = sys.stdout.write("".join(f"\n  {note}" for note in notes) + "\n")


async def run(node: Path, script: Path, report: Path, environment: dict[str, str]) -> int | None:
    """Run a script and write its output to `report`. Return its exit code, or None after a timeout."""
    options = ["--test", "--test-reporter=spec", f"--test-timeout={MAX_TEST_SECONDS * 1000}"]
    with open_for_writing(report) as output:
        process = await create_subprocess_exec(
            node,
            *options,
            script,
            cwd=CLIENTS_FOLDER,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = None
        try:
            with suppress(TimeoutError):
                async with timeout(MAX_SECONDS):
                    code = await process.wait()
        finally:
            # Node.js runs the tests in child processes, and these start a browser.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return code


def open_for_writing(path: Path) -> BinaryIO:
    return path.open("wb")


def read(path: Path) -> str:
    return path.read_text()
