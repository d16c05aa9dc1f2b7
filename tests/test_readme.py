"""The tour of README.md, copied into a shell against a server in development with the demo data."""

import asyncio
import json
import re
from pathlib import Path

from tests.serving import run_process

ROOT = Path(__file__).resolve().parents[1]
TOUR = "\n".join(
    re.findall(r"^<!-- tour -->\n```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
)


async def test_tour_ends_with_an_accepted_and_a_revoked_invitation(database_url: str) -> None:
    async with run_process(database_url, FULLMAKT_ENV="development") as server:
        script = TOUR.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        process = await asyncio.create_subprocess_exec(
            "sh", "-eu", "-c", f"TOKEN=\n{script}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            output, errors = await process.communicate()

    assert (process.returncode, errors.decode()) == (0, "")
    invited, accounts, revoked, accounts_afterwards = (json.loads(line) for line in output.decode().splitlines())
    assert invited["data"]["inviteUser"]["invitation"]["status"] == "PENDING"
    (account,) = accounts["data"]["viewer"]["accounts"]["nodes"]
    assert (account["name"], account["viewerGrant"], account["settings"]) == (
        "Nowak Meble",
        {"role": "ACCOUNTANT"},
        None,
    )
    assert [error["extensions"]["permission"] for error in accounts["errors"]] == ["SETTINGS_READ"]
    assert revoked["data"]["revokeGrant"] == {"grant": {"status": "REVOKED"}, "errors": []}
    assert accounts_afterwards["data"]["viewer"]["accounts"] == {"totalCount": 0}
