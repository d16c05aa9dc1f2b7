"""A scenario through the real process, then a search for its secrets in responses, logs, mails and the database."""

import asyncio
import json
import re
from base64 import b32decode
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from aiosmtpd.smtp import AuthResult

import embedded
from tests.api import Clock
from tests.authenticator import Authenticator
from tests.browser import SIGN_OUT, Browser
from tests.conftest import connect
from tests.serving import MailServer, ServerProcess, free_port, patched_program, run_process
from tests.smtp_peer import smtp_server
from tests.sockets import open_socket

ANNA, BO = "anna.kanarek@example.com", "bo.kanarek@example.com"
PERSONAL_DATA = (ANNA, BO, "Anna Kanarek", "Bo Kanarek", "kanarek")
FIRST_PASSWORD, SECOND_PASSWORD, WRONG_PASSWORD = (
    "first-canary-egret-9271",
    "second-canary-heron-9272",
    "wrong-canary-stork-9273",
)
STRAY = "typed-canary-crane-9274"
"""A secret that a client sends in fields where it does not belong."""
SECRETS = {
    "FULLMAKT_SECRET_KEY": "site-canary-key-that-is-long-enough-9275",
    "smtp": "smtp-canary-password-9276",
    "database": "database-canary-password-9277",
    "FULLMAKT_METRICS_TOKEN": "metrics-canary-token-9278",
}
BANK = "PL61109010140000071219812874"
EVENTS = """subscription Watching($account: ID!) { accountEvents(accountId: $account) {
    type before after actor { name email } ipAddress } }"""
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"


async def test_secrets_appear_only_in_their_response_or_mail(database_url: str, tmp_path: Path) -> None:
    mailbox, answers = MailServer(free_port()), list[str]()
    mail_server = smtp_server(
        mailbox, mailbox.port, authenticator=lambda *_: AuthResult(success=True), auth_require_tls=False
    )
    server_url = embedded.as_server(database_url).replace(":@", f":{SECRETS['database']}@", 1)
    with mail_server:
        async with run_process(
            database_url,
            program=patched_program(tmp_path),
            FULLMAKT_DATABASE_URL=server_url,
            FULLMAKT_SMTP_URL=f"smtp://fullmakt:{SECRETS['smtp']}@127.0.0.1:{mailbox.port}",
            FULLMAKT_SECRET_KEY=SECRETS["FULLMAKT_SECRET_KEY"],
            FULLMAKT_METRICS_TOKEN=SECRETS["FULLMAKT_METRICS_TOKEN"],
            FULLMAKT_LOG_OPERATIONS="all",
        ) as process:

            async def keep(response: httpx2.Response) -> None:
                await response.aread()
                answers.append(f"{response.headers} {response.text}")

            process.api.http.event_hooks["response"].append(keep)
            response_secrets, links, frames = await run_scenario(process, mailbox)
            arguments = command_line(process)
            _, output, log = await process.stop()
    rows = await dump_tables(database_url)
    mails = [str(mail) + str(mail.get_body(("plain",))) for mail in mailbox.messages]

    secrets = {FIRST_PASSWORD, SECOND_PASSWORD, WRONG_PASSWORD, STRAY, *SECRETS.values(), *response_secrets, *links}
    for secret in secrets:
        pattern = re.compile(rf"(?<![0-9a-f.-]){re.escape(secret)}(?![0-9a-f])")
        hex_form = secret.encode().hex()
        for source, text in {
            "output": output,
            "log": log,
            "rows": rows,
            "frames": frames,
            "arguments": arguments,
        }.items():
            assert not pattern.search(text), (source, secret)
            assert hex_form not in text, (source, secret)
        assert sum(bool(pattern.search(answer)) for answer in answers) == (secret in response_secrets), secret
        # A mail is searched encoded and decoded. Each form has the link twice, in the text and in the HTML part.
        assert len([mail for mail in mails if pattern.search(mail)]) == (secret in links), secret
    for person in (*PERSONAL_DATA, BANK, "127.0.0.1"):
        assert person not in log
    # The subscriptions did send these values, so their absence from the log is meaningful.
    assert {ANNA, "Bo Kanarek", "127.0.0.1"} <= set(re.findall(r"[^\"]+", frames))
    assert {"operation", "refused", "unexpected"} <= {json.loads(line)["event"] for line in log.splitlines()}


async def run_scenario(process: ServerProcess, mailbox: MailServer) -> tuple[set[str], set[str], str]:
    """Run the scenario. Returns the secrets that one response contains, the links of mails, and all frames."""
    api, http = process.api, process.api.http
    response_secrets, links = set[str](), set[str]()

    # Registration, and sign-in with right and wrong passwords.
    credentials = {"name": "Anna Kanarek", "email": ANNA, "password": FIRST_PASSWORD}
    payload = await api.do("register", credentials, "registrationSecret")
    assert payload["errors"] == []
    response_secrets.add(payload["registrationSecret"])
    _, link = await mailbox.wait_for_link(ANNA, "Activate your Fullmakt login")
    links.add(link)
    activation = {"token": link, "registrationSecret": payload["registrationSecret"]}
    payload = await api.do("activate", activation, "accessToken viewer { currentAccount { id } }")
    anna, account = payload["accessToken"], payload["viewer"]["currentAccount"]["id"]
    assert (await api.do("signIn", {"email": ANNA, "password": WRONG_PASSWORD}))["errors"]
    response_secrets.add(anna)

    frames = await run_subscriptions(process, mailbox, anna, account, response_secrets, links)

    # Password reset.
    assert (await api.do("requestPasswordReset", {"email": BO}))["errors"] == []
    _, link = await mailbox.wait_for_link(BO, "Choose a new password")
    links.add(link)
    assert (await api.do("resetPassword", {"token": link, "password": FIRST_PASSWORD}))["errors"] == []

    # Second factor.
    secret = (await api.do("enrollSecondFactor", {"password": FIRST_PASSWORD}, "secret", by=anna))["secret"]
    app = Authenticator(Clock(), b32decode(secret))
    confirmation = await api.do("confirmSecondFactor", {"code": app.code()}, "recoveryCodes", by=anna)
    recovery = confirmation["recoveryCodes"]
    credentials = {"email": ANNA, "password": FIRST_PASSWORD, "oneTimeCode": recovery[0]}
    token = (await api.do("signIn", credentials, "accessToken"))["accessToken"]
    response_secrets |= {secret, *recovery, token}

    # Bank account, voucher and personal data.
    settings = {"accountId": account, "bankAccountNumber": BANK}
    await api.do("updateAccountSettings", settings, by=token)
    assert (await api.do("redeemVoucher", {"accountId": account, "code": STRAY}, by=token))["errors"]
    await api.do("exportMyData", {"password": FIRST_PASSWORD}, "document", by=token)

    # The link of an export, used twice.
    payload = await api.do("createExport", {"accountId": account, "kind": "CONTACTS", "format": "CSV"},
                           "export { id }", by=token)  # fmt: skip
    link_input, url = {"exportId": payload["export"]["id"]}, None
    async with asyncio.timeout(30):
        while url is None:
            await asyncio.sleep(0.2)
            url = (await api.do("createExportLink", link_input, "url", by=token))["url"]
    response_secrets.add(url.rpartition("/")[2])
    path = urlsplit(url).path
    assert [(await http.get(path)).status_code for _ in range(2)] == [200, 404]

    # Secrets in wrong fields, headers and paths.
    literal = f'mutation {{ signIn(input: {{ email: "{ANNA}", password: "{STRAY}" }}) {{ errors {{ code }} }} }}'
    assert (await api.ask(literal)).status == 200
    for query, variables in (
        (f'mutation {{ signIn(input: {{ password: "{STRAY}" ', None),
        (f'mutation {{ signIn(input: {{ password: "{STRAY}" }}) {{ nothing }} }}', None),
        (f'# {STRAY}\n{{ nothing(a: """{STRAY}""") }}', None),
        (SIGN_IN, {"input": {"email": "a", "password": {"is": STRAY}}}),
        (SIGN_IN, {"input": {"email": "a", "pasword": STRAY}}),
        (SIGN_IN, {"input": STRAY}),
    ):
        assert (await api.ask(query, variables)).status in {200, 400}
    invitation_query = "query ($t: String!) { invitation(token: $t) { role } }"
    assert (await api.ask(invitation_query, {"t": STRAY})).codes == ["INTERNAL_SERVER_ERROR"]
    for params in (
        {"query": f'{{ invitation(token: "{STRAY}") {{ role }} }}'},
        {"query": invitation_query, "token": STRAY},
    ):
        await http.get("/graphql", params=params)
    await http.get(
        f"/{STRAY}?token={STRAY}",
        headers={"Cookie": f"a={STRAY}", "Referer": f"https://x/#{STRAY}"},
    )
    await http.post(
        "/graphql",
        content=STRAY,
        headers={"Content-Type": STRAY, "User-Agent": STRAY},
    )
    await api.ask(
        "{ viewer { user { id } } }",
        by=STRAY,
        account=STRAY,
        headers={"X-View-As": STRAY},
    )
    await http.get("/metrics", headers={"Authorization": f"Bearer {SECRETS['FULLMAKT_METRICS_TOKEN']}"})
    return response_secrets, links, frames


async def run_subscriptions(
    process: ServerProcess, mailbox: MailServer, anna: str, account: str, response_secrets: set[str], links: set[str]
) -> str:
    """Invite Bo while one socket with a token and one with a cookie are open. Returns the frames of both."""
    browser, api = Browser(process.api.http), process.api
    await browser.sign_in(ANNA, FIRST_PASSWORD)
    assert browser.cookie_value
    response_secrets.add(browser.cookie_value)
    assert await browser.is_signed_in()
    handshake_headers = browser.cookie_header | {"Origin": f"https://127.0.0.1:{process.port}"}
    async with (
        open_socket(process.port) as token_socket,
        open_socket(process.port, additional_headers=handshake_headers) as cookie_socket,
    ):
        await token_socket.connect(anna, **{"X-Typed": STRAY})
        await token_socket.subscribe("1", "subscription Following { accessChanged { grant { id } } }")
        await cookie_socket.send({"type": "connection_init"})
        assert await cookie_socket.receive() == {"type": "connection_ack"}
        await cookie_socket.subscribe("1", EVENTS, {"account": account})
        for key, query, variables in (
            ("2", STRAY, None),
            ("3", f'subscription {{ accountEvents(accountId: "{STRAY}") {{ nothing }} }}', None),
            ("4", EVENTS, {"account": {"is": STRAY}}),
            ("5", EVENTS, {"account": STRAY}),
        ):
            await cookie_socket.subscribe(key, query, variables)
            rejection = await cookie_socket.next(key)
            assert rejection["type"] == "error" or rejection["payload"]["errors"]

        invitation = {"accountId": account, "email": BO, "role": "ACCOUNTANT"}
        assert (await api.do("inviteUser", invitation, by=anna))["errors"] == []
        _, link = await mailbox.wait_for_link(BO, f"{ANNA} invites you to “Anna Kanarek”")
        links.add(link)
        acceptance = {"token": link, "name": "Bo Kanarek", "password": SECOND_PASSWORD}
        bo = (await api.do("acceptInvitation", acceptance, "accessToken"))["accessToken"]
        response_secrets.add(bo)
        while (await cookie_socket.next("1"))["payload"]["data"]["accountEvents"]["type"] != "account:grant:give":
            pass
        assert (await browser.ask(SIGN_OUT)).errors == []
        code, reason = await cookie_socket.wait_for_close()
        assert code == 4403
    return "\n".join([*token_socket.frames, *cookie_socket.frames, reason])


def command_line(process: ServerProcess) -> str:
    """The command line of the process, which all users of the machine can read."""
    return Path(f"/proc/{process.process.pid}/cmdline").read_text()


async def dump_tables(database_url: str) -> str:
    """All rows of all tables, as text."""
    connection = await connect(database_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT t::text AS row FROM "{table["tablename"]}" t') for table in tables]
    finally:
        await connection.close()
    return "\n".join(row["row"] for table_rows in rows for row in table_rows)
