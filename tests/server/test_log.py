import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import BROKEN_PREVIEW, ROOT, patched_program, run_process

CANARY = "canary-zq7-bird-under-glass"
BROKEN_SESSION = """
import models.people.session
load_by_token = models.people.session.by_token

async def by_token(token, **options):
    if token.startswith("broken"):
        raise RuntimeError(f"cannot find {token}")
    return await load_by_token(token, **options)

models.people.session.by_token = by_token
"""
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"


async def test_log_contains_no_client_secrets(database_url: str, tmp_path: Path) -> None:
    async with run_process(database_url, program=patched_program(tmp_path, BROKEN_PREVIEW + BROKEN_SESSION)) as server:
        api, http = server.api, server.api.http
        wrong_password = await api.ask(SIGN_IN, {"input": {"email": "anna@example.com", "password": CANARY}})
        wrong_type = await api.ask(SIGN_IN, {"input": {"email": ["a"], "password": {"is": CANARY}}})
        invalid_field = await api.ask(f'mutation {{ signIn(input: {{ password: "{CANARY}" }}) {{ nothing }} }}')
        syntax_error = await api.ask(f'mutation {{ signIn(input: {{ password: "{CANARY}" ')
        failed_field = await api.ask(
            "query ($t: String!) { invitation(token: $t) { role } roles { role } }", {"t": CANARY}
        )
        unknown_token = await api.ask("{ viewer { user { id } } }", by=CANARY)
        failed_request = await api.ask("{ viewer { user { id } } }", by=f"broken-{CANARY}")
        query_in_url = await http.get("/graphql", params={"query": f'{{ invitation(token: "{CANARY}") {{ role }} }}'})
        unknown_path = await http.get(f"/{CANARY}")
        code, output, log = await server.stop()

    assert code == 0
    assert wrong_password.data["signIn"]["errors"] == [{"code": "INVALID_CREDENTIALS"}]
    assert wrong_type.codes == ["BAD_USER_INPUT"] * len(wrong_type.codes)
    assert set(invalid_field.codes) == {"GRAPHQL_VALIDATION_FAILED"}
    assert syntax_error.codes == ["GRAPHQL_PARSE_FAILED"]
    assert unknown_token.data == {"viewer": None}
    assert (unknown_path.status_code, query_in_url.status_code) == (404, 200)
    assert (failed_field.status, failed_field.codes, failed_request.status, failed_request.codes) == (
        200,
        ["INTERNAL_SERVER_ERROR"],
        500,
        ["INTERNAL_SERVER_ERROR"],
    )
    for response in (failed_field, failed_request):
        assert CANARY not in json.dumps(response.body)
        assert response.errors[0]["message"] == "Something went wrong on our side."
    assert failed_field.partial["roles"]
    assert CANARY not in output
    assert CANARY not in log
    entries = [json.loads(line) for line in log.splitlines()]
    assert [(entry["event"], entry["level"], entry["type"]) for entry in entries] == [
        ("unexpected", "error", "RuntimeError")
    ] * 3
    assert entries[0]["request_id"] == failed_field.errors[0]["extensions"]["requestId"]
    assert entries[0]["where"][-1] == "broken.py:5"


# ---- Entries of libraries ---------------------------------------------------------------------

LOG_SCRIPT = f"""
import asyncio, logging, sys
import structlog
from server import log

log.configure(log_format="{{}}")

class SecretError(Exception):
    pass

async def start_failing_task():
    async def fail():
        raise SecretError("{CANARY}")
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task

asyncio.run(start_failing_task())
try:
    raise SecretError("{CANARY}")
except SecretError:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    structlog.get_logger("mailer").exception("mail.failed", attempts=2)
logging.getLogger("uvicorn.access").info("GET /?{CANARY}")
logging.getLogger("tortoise").info("SELECT '{CANARY}'")
"""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_exception_is_logged_by_location_without_text(log_format: str) -> None:
    script = LOG_SCRIPT.replace("{}", log_format)

    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": "."}
    )

    assert result.stdout == ""
    assert CANARY not in result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all("SecretError" in line and "<string>:" in line for line in lines)
    if log_format == "json":
        assert [json.loads(line)["event"] for line in lines] == [
            "Task exception was never retrieved",
            "Exception in ASGI application",
            "mail.failed",
        ]
