"""Searches and orders of names: as readers of each language expect, on databases with any locale."""

import re
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import asyncpg
import pytest

from database import db, migrate
from models.tables import SCHEMA
from tests.api import Api, Clock, Person, run_application
from tests.conftest import create_application, database_address, execute_outside_transaction
from tests.models.lists.test_long_lists import Statements, cases

NUMBERS = count(1)
LOCALES = {
    "C": "LOCALE 'C' ENCODING 'UTF8'",
    "C.UTF-8": "LOCALE 'C.UTF-8' ENCODING 'UTF8'",
    "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'sv' LOCALE 'C' ENCODING 'UTF8'",
}
NAMES = [
    "Zoë Berg", "Ålesund Ole", "Anna Nowak", "anna nowak", "Émile Zola", "Ebbe Lie", "Łukasz Żak", "Lukas Berg",
    "Lydia Lie", "Maria Wójcik", "Ørjan Lie", "Ærlig Bo", "Öberg Ida", "Zygmunt Lis", "Żaneta Lis", "Zofia Nowak",
    "Ćma Ewa", "Czesław Lis", "Oda Lie", "Óscar Ruiz", "Aasen Ivar",
]  # fmt: skip
ORDERS = {
    "en": "Aasen, Ærlig, Ålesund, Anna, anna, Ćma, Czesław, Ebbe, Émile, Lukas, Łukasz, Lydia, Maria, Öberg, Oda,"
    " Ørjan, Óscar, Żaneta, Zoë, Zofia, Zygmunt",
    "pl": "Aasen, Ærlig, Ålesund, Anna, anna, Czesław, Ćma, Ebbe, Émile, Lukas, Lydia, Łukasz, Maria, Öberg, Oda,"
    " Ørjan, Óscar, Zoë, Zofia, Zygmunt, Żaneta",
    "nb": "Anna, anna, Ćma, Czesław, Ebbe, Émile, Lukas, Łukasz, Lydia, Maria, Oda, Óscar, Żaneta, Zoë, Zofia, Zygmunt,"
    " Ærlig, Öberg, Ørjan, Ålesund, Aasen",
    "sv": "Aasen, Anna, anna, Ćma, Czesław, Ebbe, Émile, Lukas, Łukasz, Lydia, Maria, Oda, Óscar, Żaneta, Zoë, Zofia,"
    " Zygmunt, Ålesund, Ærlig, Öberg, Ørjan",
}
GRANTS = """query ($filter: GrantFilter, $first: Int, $after: String, $last: Int, $before: String) {
    viewer { currentAccount { grants(orderBy: USER_NAME, filter: $filter, first: $first, after: $after, last: $last,
        before: $before) { nodes { user { name } } pageInfo { startCursor endCursor hasNextPage } } } } }"""


@pytest.fixture(params=LOCALES)
async def localized_api(request: pytest.FixtureRequest, postgres: str, clock: Clock) -> AsyncIterator[Api]:
    """The application on a database with one of LOCALES. Skips those that this PostgreSQL was built without."""
    name = f"localized_{next(NUMBERS)}"
    try:
        await execute_outside_transaction(
            postgres, f"CREATE DATABASE {name} {LOCALES[request.param]} TEMPLATE template0"
        )
    except (asyncpg.FeatureNotSupportedError, asyncpg.WrongObjectTypeError) as error:
        pytest.skip(str(error))
    url = database_address(postgres, name)
    await migrate.migrate(url, SCHEMA, server_role="fullmakt_server")
    application = create_application(url, clock, free_seats=1000)
    async with run_application(application) as http:
        yield Api(http, clock, application)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def owner_with_members(api: Api) -> Person:
    """The owner of an account with a member for each of NAMES."""
    owner = await api.person("owner@example.com", "Anna Nowak")
    await db.execute(
        """WITH members AS (
            INSERT INTO users (id, email, email_key, name, locale, created_at)
            SELECT gen_random_uuid(), n || '@example.com', n || '@example.com', name, 'en', now()
            FROM unnest($1::text[]) WITH ORDINALITY m (name, n) RETURNING id)
        INSERT INTO grants (id, account_id, user_id, role, status, created_at)
        SELECT gen_random_uuid(), a.id, m.id, 'ACCOUNTANT', 'ACTIVE', now() FROM members m, accounts a""",
        NAMES,
    )
    return owner


async def page(api: Api, by: Person, **arguments: Any) -> Any:
    answer = await api.ask(GRANTS, arguments, by=by)
    assert answer.codes == []
    return answer.data["viewer"]["currentAccount"]["grants"]


async def matches(api: Api, by: Person, search: str) -> list[str]:
    """The names of NAMES that a search finds."""
    nodes = (await page(api, by, filter={"search": search}))["nodes"]
    return [node["user"]["name"] for node in nodes]


async def test_order_is_that_of_the_viewers_language_in_pages_of_both_directions(localized_api: Api) -> None:
    api = localized_api
    owner = await owner_with_members(api)
    for locale in ("en", "fr", "it", "pl", "nb", "sv"):
        await db.execute("UPDATE users SET locale = $1 WHERE email = 'owner@example.com'", locale)
        forward: list[str] = []
        position: Any = {}
        while position is not None:
            part = await page(api, owner, first=4, filter={"role": ["ACCOUNTANT"]}, **position)
            forward += [node["user"]["name"] for node in part["nodes"]]
            position = {"after": part["pageInfo"]["endCursor"]} if part["pageInfo"]["hasNextPage"] else None
        backward: list[str] = []
        position = {}
        while len(backward) < len(NAMES):
            part = await page(api, owner, last=4, filter={"role": ["ACCOUNTANT"]}, **position)
            backward = [node["user"]["name"] for node in part["nodes"]] + backward
            position = {"before": part["pageInfo"]["startCursor"]}

        first_names = ", ".join(name.split()[0] for name in forward)
        assert first_names == ORDERS.get(locale, ORDERS["en"]), locale
        assert backward == forward


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("lukasz", ["Łukasz Żak"]),
        ("ŁUKASZ", ["Łukasz Żak"]),
        ("zak lukasz", ["Łukasz Żak"]),
        ("zoe", ["Zoë Berg"]),
        ("alesund", ["Ålesund Ole"]),
        ("nowak zofia", ["Zofia Nowak"]),
        ("  Nowak   ZOFIA ", ["Zofia Nowak"]),
        ("nowak zofia lis", []),
        ("ORJAN", ["Ørjan Lie"]),
        ("aerlig", ["Ærlig Bo"]),
        ("%", []),
        ("no_ak", []),
        ("nowak zofia @EXAMPLE.com", ["Zofia Nowak"]),
    ],
)
async def test_words_are_found_without_case_and_accents(api: Api, search: str, names: list[str]) -> None:
    owner = await owner_with_members(api)

    assert await matches(api, owner, search) == names


async def test_searches_are_the_same_in_each_locale(localized_api: Api) -> None:
    owner = await owner_with_members(localized_api)

    searches = {"LUKASZ": "Łukasz Żak", "łukasz": "Łukasz Żak", "ÉMILE": "Émile Zola", "orjan": "Ørjan Lie"}
    assert {search: await matches(localized_api, owner, search) for search in searches} == {
        search: [name] for search, name in searches.items()
    }


@pytest.mark.parametrize("search", ["556703-7485", "5567037485", "556703 7485", "556703-", "7485", "556703-7485 meble"])
async def test_numbers_are_found_with_and_without_separators(api: Api, search: str) -> None:
    anna = await api.person(
        "anna@example.com", accountName="Meble 12-34", organizationNumber="556703-7485", country="SE"
    )
    query = "query ($search: String) { accounts(filter: { search: $search }) { nodes { name } } }"

    for text in (search, "1234", "12-34", "meble 12 34"):
        answer = await api.ask(query, {"search": text}, by=anna)
        assert answer.data["accounts"]["nodes"] == [{"name": "Meble 12-34"}], text
    assert (await api.ask(query, {"search": "556703-7486"}, by=anna)).data["accounts"]["nodes"] == []


async def test_cursor_of_another_language_is_refused(api: Api) -> None:
    """The order differs, so the next page would leave out names or repeat them."""
    owner = await owner_with_members(api)
    cursor = (await page(api, owner, first=3))["pageInfo"]["endCursor"]
    await db.execute("UPDATE users SET locale = 'sv' WHERE email = 'owner@example.com'")

    assert (await api.ask(GRANTS, {"after": cursor}, by=owner)).codes == ["BAD_USER_INPUT"]


async def test_each_search_and_each_order_by_name_of_the_schema_uses_the_keys(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await api.person("anna@example.com")
    statements = Statements(monkeypatch)
    names: set[tuple[str, bool]] = set()

    for item in cases(api, owner):
        if not re.search(r"'search'|NAME|\.links ", item.name):
            continue
        statements.sent.clear()
        assert (await api.ask(item.query, item.variables, by=owner)).codes == [], item
        is_search = "'search'" in item.name
        names.add((item.name.partition(" ")[0], is_search))
        key = "search_patterns(" if is_search else "name_key"
        for sql, _ in statements.sent:
            assert key in sql, item
            assert not re.search(r"ILIKE|lower\(", sql), item

    assert len(names) >= 9


async def test_database_with_another_encoding_is_refused_with_the_reason(postgres: str) -> None:
    name = f"localized_{next(NUMBERS)}"
    await execute_outside_transaction(
        postgres, f"CREATE DATABASE {name} LOCALE 'C' ENCODING 'SQL_ASCII' TEMPLATE template0"
    )
    url = database_address(postgres, name)
    with pytest.raises(Exception, match=r"The database has the encoding SQL_ASCII\. It needs UTF8"):
        await migrate.migrate(url, SCHEMA)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")
