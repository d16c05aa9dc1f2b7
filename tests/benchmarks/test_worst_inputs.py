"""No function that reads a text of a client keeps the event loop for long.

The bound is of processor time and generous, because the machine may be busy: `make bench ARGS="--only limits"` measures
the real one. FULLMAKT_WORST_INPUTS=1 searches as thoroughly as the benchmark.
"""

import asyncio
import os
import threading

import pytest

from auth import passwords
from benchmarks import worst_inputs
from benchmarks.worst_inputs import Reader
from models.throttle import MAIL_FROM
from server.document_cache import DocumentCache, InvalidDocument
from tests.api import Api
from tests.models.people.logins import registration_input
from tests.models.refusals import attempt, refusal_codes
from tests.models.throttle_attempts import RATE_LIMITED, fill

IS_THOROUGH = "FULLMAKT_WORST_INPUTS" in os.environ
MAX_MS = worst_inputs.MAX_MS * (1 if IS_THOROUGH else 5)
COSTLY_PASSWORD = ("4@8({[<369610!|$5+7%2" * 9)[:128]
READERS = {reader.name: reader for reader in worst_inputs.readers()}


@pytest.mark.parametrize("name", READERS)
def test_worst_text_is_read_fast(name: str) -> None:
    worst = worst_inputs.search(READERS[name], is_thorough=IS_THOROUGH)

    assert worst.milliseconds < MAX_MS, ascii(worst.text[:100])


def test_readers_are_found_by_their_signatures() -> None:
    expected = {
        "auth.passwords.weakness",
        "models.base.validation.Validation.prose",
        "models.base.validation.Validation.password",
        "models.base.validation.email_key",
        "mailer.escape.prose",
        "server.negotiation.negotiate",
        "server.redact.redact",
    }

    assert expected <= READERS.keys()
    assert len(READERS) > 100


def test_search_finds_quadratic_work() -> None:
    def count_pairs(text: str) -> int:
        return sum(text.count(char) for char in text)

    reader = Reader("i18n.unicode_form.count_pairs", count_pairs, (lambda text: text,), {})

    assert worst_inputs.search(reader, is_thorough=False).milliseconds > worst_inputs.MAX_MS


async def test_password_is_judged_after_the_caller_was_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    zxcvbn = vars(passwords)["zxcvbn"]

    def record(text: str, words: list[str]) -> object:
        judged.append(text)
        return zxcvbn(text, words)

    monkeypatch.setattr(passwords, "zxcvbn", record)
    assert await refusal_codes(api, "register", registration_input(password="x" * 130)) != []
    await fill(MAIL_FROM, MAIL_FROM.max_attempts)

    response = await attempt(api, "register", registration_input(password=COSTLY_PASSWORD))

    assert response.codes == [RATE_LIMITED]
    assert judged == []


def test_strength_is_judged_by_a_bounded_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    zxcvbn = vars(passwords)["zxcvbn"]

    def record(text: str, words: list[str]) -> object:
        judged.append(text)
        return zxcvbn(text, words)

    monkeypatch.setattr(passwords, "zxcvbn", record)

    _ = passwords.weakness(COSTLY_PASSWORD, about=("x" * 10_000, "word " * 2000))

    assert len(judged[0]) == 48
    assert not set(judged[0]) & set("@{[<!|$+")


async def test_document_is_checked_in_a_thread_and_clients_take_turns() -> None:
    threads: set[int] = set()
    checked: list[str] = []

    def check(text: str) -> InvalidDocument:
        threads.add(threading.get_ident())
        checked.append(text)
        return InvalidDocument("X", ())

    cache = DocumentCache(check)
    flood = [cache.load(f"flood {number}", "203.0.113.7") for number in range(40)]

    await asyncio.gather(*flood, cache.load("anna", "198.51.100.1"))

    assert threading.get_ident() not in threads
    assert checked.index("anna") <= 2


async def test_document_beyond_the_queue_is_rate_limited(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.document_cache.MAX_QUEUED_CHECKS", 0)

    assert (await api.ask("{ __typename a: __typename }")).codes == [RATE_LIMITED]


async def test_text_with_thousands_of_marks_is_rejected(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation = {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}

    for message, code in (("a" + "\u0301\u0327" * 500, "INVALID"), ("a" + "\u0301\u0327" * 3999, "TOO_LONG")):
        assert await refusal_codes(api, "inviteUser", {**invitation, "message": message}, by=anna) == [
            (code, ["message"])
        ]
    assert await refusal_codes(api, "updateProfile", {"name": "Zo" + "\u0308" * 31}, by=anna) == [("INVALID", ["name"])]
    assert (await api.do("updateProfile", {"name": "Zoe\u0308 Z\u030c\u030c\u030c"}, by=anna))["errors"] == []
