"""Pictures of the panel for the documentation. `make screenshots` runs this file; `make test-clients` does not."""

import asyncio
import os
from pathlib import Path

from tests.clients.conftest import CLIENTS_FOLDER, ServerUnderTest

FOLDER = CLIENTS_FOLDER.parents[1] / "docs" / "screenshots"
MAX_SECONDS = 120


async def test_pictures_are_written(server: ServerUnderTest, node: Path) -> None:
    environment = os.environ | server.environment
    process = await asyncio.create_subprocess_exec(node, "screenshots.mjs", FOLDER, cwd=CLIENTS_FOLDER, env=environment)

    async with asyncio.timeout(MAX_SECONDS):
        assert await process.wait() == 0
