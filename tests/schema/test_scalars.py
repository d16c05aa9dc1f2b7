"""Scalars, and the check of all arguments, which comes before every operation."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.base.errors import BadInput
from schema.scalars import MAX_ITEMS, MAX_TEXT, SCALARS, sanitize
from tests.api import Api, Person, codes, count_rows
from tests.resolvers.statements import record_statements

UNFIT = {
    "NUL": "a\0b",
    "lone surrogate": "a\ud800b",
    "bell": "\a",
    "vertical tab": "\v",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "next line": "\x85",
    "too long": "x" * (MAX_TEXT + 1),
}
TAKES_TEXT = [
    "query($x: String!) { invitation(token: $x) { role } }",
    "query($x: String!) { grants(filter: { search: $x }) { totalCount } }",
    "query($x: String!) { accounts(after: $x) { totalCount } }",
    "query($x: ID!) { node(id: $x) { id } }",
    "query($x: ID!) { nodes(ids: [$x]) { id } }",
    "query($x: ID!) { account(id: $x) { id } }",
    "mutation($x: String!) { createAccount(input: { name: $x }) { errors { code } } }",
    "mutation($x: String!) { updateProfile(input: { name: $x }) { errors { code } } }",
    "mutation($x: ID!) { resignGrant(input: { grantId: $x }) { errors { code } } }",
    'mutation($x: String!) { signIn(input: { email: "anna@example.com", password: $x }) { errors { code } } }',
    "mutation($x: String!) { requestPasswordReset(input: { email: $x }) { errors { code } } }",
]


@pytest.mark.parametrize("text", UNFIT.values(), ids=UNFIT)
def test_unfit_text_is_refused_at_any_depth(text: str) -> None:
    for value in (text, [text], {"input": {"name": text}}, {"filter": {"role": [{"deep": [text]}]}}):
        with pytest.raises(BadInput):
            sanitize(value)


@pytest.mark.parametrize("text", ["", "Łódź", "line\nbreak\r\n\ttab", "x" * MAX_TEXT, "🙂", "\u200b", "日本"])
def test_fit_text_is_accepted(text: str) -> None:
    sanitize({"input": {"name": text, "number": 1, "none": None, "list": [text] * MAX_ITEMS}})


def test_list_of_more_than_100_entries_is_refused() -> None:
    with pytest.raises(BadInput, match="at most 100 entries"):
        sanitize({"ids": ["x"] * (MAX_ITEMS + 1)})


@pytest.mark.parametrize("query", TAKES_TEXT)
async def test_unfit_text_is_refused_before_any_statement(api: Api, query: str) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.ask("{ __typename }", by=anna)  # the first request in an account records an event
    with record_statements() as before:
        _ = await api.ask("{ __typename }", by=anna)
    rows = await count_rows()

    for kind, text in UNFIT.items():
        if kind == "lone surrogate":
            continue  # is not valid JSON
        with record_statements() as statements:
            answer = await api.ask(query, {"x": text}, by=anna)

        assert answer.codes == ["BAD_USER_INPUT"], kind
        # One statement reads the session. Text that is too long is refused before that.
        assert (len(before), len(statements)) == (1, kind != "too long"), "\n".join(statements)
    assert await count_rows() == rows


@pytest.mark.parametrize("kind", [kind for kind in UNFIT if kind not in {"lone surrogate", "too long"}])
async def test_literals_are_checked_like_variables(api: Api, kind: str) -> None:
    literal = "".join(f"\\u{ord(c):04x}" if not c.isalnum() else c for c in UNFIT[kind])

    answer = await api.ask(f'{{ invitation(token: "{literal}") {{ role }} }}')

    assert (answer.partial, answer.codes) == ({"invitation": None}, ["BAD_USER_INPUT"])


@pytest.mark.parametrize("where", ["variables", "literal"])
async def test_lone_surrogate_is_refused(api: Api, where: str) -> None:
    body = (
        b'{"query": "query($x: String!) { invitation(token: $x) { role } }", "variables": {"x": "\\ud800"}}'
        if where == "variables"
        else b'{"query": "{ invitation(token: \\"\\\\ud800\\") { role } }"}'
    )

    response = await api.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] in {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED"}


@pytest.mark.parametrize(
    "query",
    [
        "query($x: [ID!]!) { nodes(ids: $x) { id } }",
        "{ nodes(ids: %s) { id } }",
        "query($x: [Role!]) { grants(filter: { role: $x }) { totalCount } }",
        "{ accounts(filter: { role: %s }) { totalCount } }",
    ],
)
async def test_long_list_is_bad_input(api: Api, query: str) -> None:
    anna = await api.person("anna@example.com")
    entries = ["x" if "ids" in query else "OWNER"]
    error_codes: list[list[str]] = []

    for length in (MAX_ITEMS, MAX_ITEMS + 1):
        literal = json.dumps(entries * length) if "ids" in query else f"[{', '.join(entries * length)}]"
        document, variables = (query.replace("%s", literal), {}) if "%s" in query else (query, {"x": entries * length})
        error_codes.append((await api.ask(document, variables, by=anna)).codes)

    assert error_codes == [[], ["BAD_USER_INPUT"]]


# ---- Instants and numbers --------------------------------------------------------------------

BAD_INSTANTS: list[Any] = [
    "2026-11-21T12:00:00",
    "2026-11-21",
    "tomorrow",
    "",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "99999-01-01T00:00:00Z",
    "\u0662\u0660\u0662\u0666-11-21T12:00:00Z",
    1_800_000_000,
    1.5,
    True,
    [],
    {},
]


async def test_instant_without_offset_or_sense_is_bad_input(api: Api) -> None:
    anna = await api.person("anna@example.com")
    query = "query($x: DateTime) { grants(filter: { endsBefore: $x }) { totalCount } }"

    for instant in BAD_INSTANTS:
        literal = json.dumps(instant, ensure_ascii=False)
        in_variables = await api.ask(query, {"x": instant}, by=anna)
        as_literal = await api.ask(f"{{ grants(filter: {{ endsBefore: {literal} }}) {{ totalCount }} }}", by=anna)

        assert in_variables.codes == ["BAD_USER_INPUT"], instant
        assert as_literal.codes in (["GRAPHQL_VALIDATION_FAILED"], ["BAD_USER_INPUT"]), instant
        assert (in_variables.status, as_literal.status) == (400, 400), instant


@pytest.mark.parametrize(
    "instant",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-11-21T12:00:00+05:30", "2026-11-21T12:00:00-00:00"],
)
async def test_instant_at_the_limits_is_accepted(api: Api, instant: str) -> None:
    anna = await api.person("anna@example.com")
    filters = {
        "grants": ["endsBefore", "notUsedSince"],
        "accounts": ["expiresBefore"],
    }

    for field, names in filters.items():
        for name in names:
            answer = await api.ask(
                f'{{ {field}(filter: {{ {name}: "{instant}" }}) {{ totalCount nodes {{ id }} }} }}', by=anna
            )
            assert answer.errors == [], (name, instant)
    events = f'events(filter: {{ since: "{instant}", until: "{instant}" }}) {{ totalCount }}'
    answer = await api.ask(f"{{ viewer {{ currentAccount {{ {events} }} }} }}", by=anna)
    assert answer.data["viewer"]["currentAccount"]["events"]["totalCount"] == 0


def test_instant_is_serialized_in_utc_with_z() -> None:
    serialize = SCALARS[datetime].serialize
    assert serialize is not None
    offset = datetime.fromisoformat("2026-11-21T12:00:00+05:30")

    assert serialize(offset) == "2026-11-21T06:30:00Z"
    assert serialize(datetime(2026, 11, 21, 6, 30, 0, 5, UTC)) == "2026-11-21T06:30:00.000005Z"
    assert serialize(offset + timedelta(days=1)) == "2026-11-22T06:30:00Z"


async def two_accounts(api: Api) -> tuple[Person, dict[str, str]]:
    """A user with two accounts, and the input of a transfer between them."""
    anna = await api.person("anna@example.com")
    second_account = await api.do("createAccount", {"name": "Other"}, "account { id }", by=anna)
    return anna, {"accountId": second_account["account"]["id"], "payerAccountId": anna.account_id}


async def test_days_out_of_range_are_a_user_error(api: Api) -> None:
    anna, values = await two_accounts(api)
    before = await count_rows()

    for days in (9, 366, 0, -1, -(2**31), 2**31 - 1):
        payload = await api.do("extendSubscription", {**values, "days": days}, "entry { id }", by=anna)

        assert (codes(payload), payload["entry"]) == ([("OUT_OF_RANGE", ["days"])], None), days
    assert await count_rows() == before


async def test_days_that_are_not_an_int_change_nothing(api: Api) -> None:
    anna, values = await two_accounts(api)
    document = "mutation($i: ExtendSubscriptionInput!) { extendSubscription(input: $i) { errors { code } } }"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {anna.token}"}
    before = await count_rows()

    for days in (2**31, -(2**31) - 1, 10**400, "30", 10.5, None, True, [10, 20]):
        body = json.dumps({"query": document, "variables": {"i": {**values, "days": days}}})
        response = await api.http.post("/graphql", content=body, headers=headers)

        assert response.status_code == 400, days
        assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["BAD_USER_INPUT"]
    assert await count_rows() == before


async def test_each_permission_of_a_list_is_checked(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "locks": ["OWNERSHIP", "SETTINGS_WRITE"]}

    payload = await api.do("updateAccountSettings", values, "account { id }", by=anna)

    assert codes(payload) == [("INVALID", ["locks"])]
