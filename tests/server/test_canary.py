"""One long story through the real process, and then a search for everything in it that is nobody else's business."""

import json
import re
from base64 import b32decode
from pathlib import Path

import httpx2
from aiosmtpd.smtp import AuthResult

import embedded
from tests.api import Clock
from tests.authenticator import Authenticator
from tests.browser import SIGN_OUT, Browser
from tests.conftest import connect
from tests.serving import Post, Served, broken, free_port, serve
from tests.smtp_peer import listening
from tests.sockets import socket

ANNA, BO = "anna.kanarek@example.com", "bo.kanarek@example.com"
PEOPLE = (ANNA, BO, "Anna Kanarek", "Bo Kanarek", "kanarek")
FIRST, SECOND, WRONG = "first-canary-egret-9271", "second-canary-heron-9272", "wrong-canary-stork-9273"
TYPED = "typed-canary-crane-9274"
"""In the wrong place: where it is read, it is not understood."""
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


async def test_no_secret_is_anywhere_but_where_it_belongs(database_url: str, tmp_path: Path) -> None:
    office, answers = Post(free_port()), list[str]()
    mail_server = listening(
        office, office.port, authenticator=lambda *_: AuthResult(success=True), auth_require_tls=False
    )
    server_url = embedded.as_server(database_url).replace(":@", f":{SECRETS['database']}@", 1)
    with mail_server:
        async with serve(
            database_url,
            program=broken(tmp_path),
            FULLMAKT_DATABASE_URL=server_url,
            FULLMAKT_SMTP_URL=f"smtp://fullmakt:{SECRETS['smtp']}@127.0.0.1:{office.port}",
            FULLMAKT_SECRET_KEY=SECRETS["FULLMAKT_SECRET_KEY"],
            FULLMAKT_METRICS_TOKEN=SECRETS["FULLMAKT_METRICS_TOKEN"],
            FULLMAKT_LOG_OPERATIONS="all",
        ) as served:

            async def keep(response: httpx2.Response) -> None:
                await response.aread()
                answers.append(f"{response.headers} {response.text}")

            served.api.http.event_hooks["response"].append(keep)
            shown, links, frames = await story(served, office)
            arguments = command_line(served)
            _, said, log = await served.stop()
    rows = await everything(database_url)
    mails = [str(mail) + str(mail.get_body(("plain",))) for mail in office.taken]

    secrets = {FIRST, SECOND, WRONG, TYPED, *SECRETS.values(), *shown, *links}
    for secret in secrets:
        found = re.compile(rf"(?<![0-9a-f.-]){re.escape(secret)}(?![0-9a-f])")
        hidden = secret.encode().hex()
        for place, text in {"output": said, "log": log, "rows": rows, "frames": frames, "arguments": arguments}.items():
            assert not found.search(text), (place, secret)
            assert hidden not in text, (place, secret)
        assert sum(bool(found.search(answer)) for answer in answers) == (secret in shown), secret
        # A mail is searched as it arrived and as it is read: a link stands in each twice, as text and in HTML.
        assert len([mail for mail in mails if found.search(mail)]) == (secret in links), secret
    for person in (*PEOPLE, BANK, "127.0.0.1"):
        assert person not in log
    # What is followed is shown to who may see it, so that its absence from the log says something.
    assert {ANNA, "Bo Kanarek", "127.0.0.1"} <= set(re.findall(r"[^\"]+", frames))
    assert {"operation", "refused", "unexpected"} <= {json.loads(line)["event"] for line in log.splitlines()}


async def story(served: Served, office: Post) -> tuple[set[str], set[str], str]:
    """What people do. The secrets that an answer shows, each once, those that a mail brings, and all frames."""
    api, http = served.api, served.api.http
    shown, links = set[str](), set[str]()

    # Signing up, and in, also with what is wrong.
    given = {"name": "Anna Kanarek", "email": ANNA, "password": FIRST}
    assert (await api.do("register", given))["errors"] == []
    _, link = await office.link(ANNA, "Activate your Fullmakt login")
    links.add(link)
    done = await api.do("activate", {"token": link}, "accessToken viewer { currentAccount { id } }")
    anna, account = done["accessToken"], done["viewer"]["currentAccount"]["id"]
    assert (await api.do("signIn", {"email": ANNA, "password": WRONG}))["errors"]
    shown.add(anna)

    frames = await followed(served, office, anna, account, shown, links)

    # A forgotten password.
    assert (await api.do("requestPasswordReset", {"email": BO}))["errors"] == []
    _, link = await office.link(BO, "Choose a new password")
    links.add(link)
    assert (await api.do("resetPassword", {"token": link, "password": FIRST}))["errors"] == []

    # A second factor.
    secret = (await api.do("enrollSecondFactor", {"password": FIRST}, "secret", by=anna))["secret"]
    app = Authenticator(Clock(), b32decode(secret))
    confirmed = await api.do("confirmSecondFactor", {"code": app.code()}, "recoveryCodes", by=anna)
    recovery = confirmed["recoveryCodes"]
    signing = {"email": ANNA, "password": FIRST, "oneTimeCode": recovery[0]}
    token = (await api.do("signIn", signing, "accessToken"))["accessToken"]
    shown |= {secret, *recovery, token}

    # Money, and what is about him.
    settings = {"accountId": account, "bankAccountNumber": BANK}
    await api.do("updateAccountSettings", settings, by=token)
    assert (await api.do("redeemVoucher", {"accountId": account, "code": TYPED}, by=token))["errors"]
    await api.do("exportMyData", {"password": FIRST}, "document", by=token)

    # Secrets where they do not belong.
    literal = f'mutation {{ signIn(input: {{ email: "{ANNA}", password: "{TYPED}" }}) {{ errors {{ code }} }} }}'
    assert (await api.ask(literal)).status == 200
    for query, variables in (
        (f'mutation {{ signIn(input: {{ password: "{TYPED}" ', None),
        (f'mutation {{ signIn(input: {{ password: "{TYPED}" }}) {{ nothing }} }}', None),
        (f'# {TYPED}\n{{ nothing(a: """{TYPED}""") }}', None),
        (SIGN_IN, {"input": {"email": "a", "password": {"is": TYPED}}}),
        (SIGN_IN, {"input": {"email": "a", "pasword": TYPED}}),
        (SIGN_IN, {"input": TYPED}),
    ):
        assert (await api.ask(query, variables)).status in {200, 400}
    asking = "query ($t: String!) { invitation(token: $t) { role } }"
    assert (await api.ask(asking, {"t": TYPED})).codes == ["INTERNAL_SERVER_ERROR"]
    for params in ({"query": f'{{ invitation(token: "{TYPED}") {{ role }} }}'}, {"query": asking, "token": TYPED}):
        await http.get("/graphql", params=params)
    await http.get(f"/{TYPED}?token={TYPED}", headers={"Cookie": f"a={TYPED}", "Referer": f"https://x/#{TYPED}"})
    await http.post("/graphql", content=TYPED, headers={"Content-Type": TYPED, "User-Agent": TYPED})
    await api.ask("{ viewer { user { id } } }", by=TYPED, account=TYPED, headers={"X-View-As": TYPED})
    await http.get("/metrics", headers={"Authorization": f"Bearer {SECRETS['FULLMAKT_METRICS_TOKEN']}"})
    return shown, links, frames


async def followed(served: Served, office: Post, anna: str, account: str, shown: set[str], links: set[str]) -> str:
    """Somebody is invited while a socket with a token and another with a cookie are open. What both have heard."""
    browser, api = Browser(served.api.http), served.api
    await browser.sign_in(ANNA, FIRST)
    assert browser.kept
    shown.add(browser.kept)
    assert await browser.is_known()
    ours = browser.cookie | {"Origin": f"https://127.0.0.1:{served.port}"}
    async with socket(served.port) as one, socket(served.port, additional_headers=ours) as other:
        await one.begin(anna, **{"X-Typed": TYPED})
        await one.subscribe("1", "subscription Following { accessChanged { grant { id } } }")
        await other.say({"type": "connection_init"})
        assert await other.hear() == {"type": "connection_ack"}
        await other.subscribe("1", EVENTS, {"account": account})
        for key, query, variables in (
            ("2", TYPED, None),
            ("3", f'subscription {{ accountEvents(accountId: "{TYPED}") {{ nothing }} }}', None),
            ("4", EVENTS, {"account": {"is": TYPED}}),
            ("5", EVENTS, {"account": TYPED}),
        ):
            await other.subscribe(key, query, variables)
            refused = await other.next(key)
            assert refused["type"] == "error" or refused["payload"]["errors"]

        inviting = {"accountId": account, "email": BO, "role": "ACCOUNTANT"}
        assert (await api.do("inviteUser", inviting, by=anna))["errors"] == []
        _, link = await office.link(BO, "Anna Kanarek invites you to Anna Kanarek")
        links.add(link)
        accepting = {"token": link, "name": "Bo Kanarek", "password": SECOND}
        bo = (await api.do("acceptInvitation", accepting, "accessToken"))["accessToken"]
        shown.add(bo)
        while (await other.next("1"))["payload"]["data"]["accountEvents"]["type"] != "account:grant:give":
            pass
        assert (await browser.ask(SIGN_OUT)).errors == []
        code, reason = await other.closed()
        assert code == 4403
    return "\n".join([*one.heard, *other.heard, reason])


def command_line(served: Served) -> str:
    """What everybody on the machine sees of the process."""
    return Path(f"/proc/{served.process.pid}/cmdline").read_text()


async def everything(database_url: str) -> str:
    """All rows of all tables, as text."""
    connection = await connect(database_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT t::text AS row FROM "{table["tablename"]}" t') for table in tables]
    finally:
        await connection.close()
    return "\n".join(row["row"] for found in rows for row in found)
