import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import NO_PREVIEW, ROOT, broken, serve

CANARY = "canary-zq7-bird-under-glass"
NO_SESSION = """
import models.people.session
found = models.people.session.by_token

async def by_token(token, **more):
    if token.startswith("broken"):
        raise RuntimeError(f"cannot find {token}")
    return await found(token, **more)

models.people.session.by_token = by_token
"""
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"


async def test_no_secret_of_a_client_reaches_the_log(database_url: str, tmp_path: Path) -> None:
    async with serve(database_url, program=broken(tmp_path, NO_PREVIEW + NO_SESSION)) as served:
        api, http = served.api, served.api.http
        wrong = await api.ask(SIGN_IN, {"input": {"email": "anna@example.com", "password": CANARY}})
        mistyped = await api.ask(SIGN_IN, {"input": {"email": ["a"], "password": {"is": CANARY}}})
        literal = await api.ask(f'mutation {{ signIn(input: {{ password: "{CANARY}" }}) {{ nothing }} }}')
        unread = await api.ask(f'mutation {{ signIn(input: {{ password: "{CANARY}" ')
        failing = await api.ask("query ($t: String!) { invitation(token: $t) { role } roles { role } }", {"t": CANARY})
        foreign = await api.ask("{ viewer { user { id } } }", by=CANARY)
        stopped = await api.ask("{ viewer { user { id } } }", by=f"broken-{CANARY}")
        in_address = await http.get("/graphql", params={"query": f'{{ invitation(token: "{CANARY}") {{ role }} }}'})
        nowhere = await http.get(f"/{CANARY}")
        code, said, log = await served.stop()

    assert code == 0
    assert wrong.data["signIn"]["errors"] == [{"code": "INVALID_CREDENTIALS"}]
    assert mistyped.codes == ["BAD_USER_INPUT"] * len(mistyped.codes)
    assert set(literal.codes) == {"GRAPHQL_VALIDATION_FAILED"}
    assert unread.codes == ["GRAPHQL_PARSE_FAILED"]
    assert foreign.data == {"viewer": None}
    assert (nowhere.status_code, in_address.status_code) == (404, 200)
    assert (failing.status, failing.codes, stopped.status, stopped.codes) == (
        200,
        ["INTERNAL_SERVER_ERROR"],
        500,
        ["INTERNAL_SERVER_ERROR"],
    )
    for answer in (failing, stopped):
        assert CANARY not in json.dumps(answer.body)
        assert answer.errors[0]["message"] == "Something went wrong on our side."
    assert failing.partial["roles"]
    assert CANARY not in said
    assert CANARY not in log
    entries = [json.loads(line) for line in log.splitlines()]
    assert [(entry["event"], entry["level"], entry["type"]) for entry in entries] == [
        ("unexpected", "error", "RuntimeError")
    ] * 3
    assert entries[0]["request_id"] == failing.errors[0]["extensions"]["requestId"]
    assert entries[0]["where"][-1] == "broken.py:5"


# ---- Libraries' own ---------------------------------------------------------------------------

SPEAK = f"""
import asyncio, logging, sys
import structlog
from server import log

log.configure(form="{{}}")

class Hot(Exception):
    pass

async def forget():
    async def fail():
        raise Hot("{CANARY}")
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task

asyncio.run(forget())
try:
    raise Hot("{CANARY}")
except Hot:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    structlog.get_logger("mailer").exception("mail.failed", attempts=2)
logging.getLogger("uvicorn.access").info("GET /?{CANARY}")
logging.getLogger("tortoise").info("SELECT '{CANARY}'")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_is_logged_by_its_place_alone(form: str) -> None:
    script = SPEAK.replace("{}", form)

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": "."}
    )

    assert done.stdout == ""
    assert CANARY not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all("Hot" in line and "<string>:" in line for line in lines)
    if form == "json":
        assert [json.loads(line)["event"] for line in lines] == [
            "Task exception was never retrieved",
            "Exception in ASGI application",
            "mail.failed",
        ]
