"""Generated rows: consistent documents in one gapless series, for the demo and for `fullmakt seed account`."""

import os
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cli
from database import db
from models.base.caller import Caller, OperationConfig
from resolvers import ids
from tests.api import KEY, Api, Person, codes
from tests.commands.command_line import run_command
from tests.workspace.documents import complete_draft, issue
from workspace import document, samples, seed
from workspace.seed_run import Amounts

# Each of these selects rows that break a rule of documents. The lines of a document add up to its totals.
VIOLATIONS = {
    "gap": """SELECT series_year FROM sales_documents WHERE number IS NOT NULL GROUP BY account_id, series_year
        HAVING max(series_counter) <> count(*) OR min(series_counter) <> 1""",
    "counter": """SELECT s.id FROM document_series s WHERE s.counter <> (SELECT max(d.series_counter)
        FROM sales_documents d WHERE d.account_id = s.account_id AND d.series_year = s.year)""",
    "number": """SELECT d.id FROM sales_documents d JOIN document_series s ON s.account_id = d.account_id
        AND s.year = d.series_year WHERE d.number <> s.prefix || s.year || '-' || CASE WHEN d.series_counter < 10000
            THEN lpad(d.series_counter::text, 4, '0') ELSE d.series_counter::text END
            OR date_part('year', d.issued_on) <> s.year OR d.issued_on > s.last_issued_on""",
    "order": """SELECT FROM (SELECT issued_on < lag(issued_on) OVER (PARTITION BY account_id
        ORDER BY series_year, series_counter) AS is_earlier FROM sales_documents WHERE number IS NOT NULL) d
        WHERE is_earlier""",
    "lines": """SELECT d.id FROM sales_documents d WHERE d.net_amount IS DISTINCT FROM (
        SELECT sum(l.net_amount) FROM document_lines l WHERE l.document_id = d.id)""",
    "payments": """SELECT d.id FROM sales_documents d WHERE d.paid_amount <> COALESCE((
        SELECT sum(p.amount) FROM document_payments p WHERE p.document_id = d.id), 0)""",
    "paid": """SELECT id FROM sales_documents WHERE (status = 'PAID') <>
        (number IS NOT NULL AND paid_amount = net_amount + tax_amount)""",
    "credited": """SELECT d.id FROM sales_documents d WHERE d.credited_amount <> COALESCE((
        SELECT sum(c.net_amount + c.tax_amount) FROM sales_documents c
        WHERE c.corrected_id = d.id AND c.number IS NOT NULL), 0)""",
    "foreign": """SELECT d.id FROM sales_documents d JOIN contacts c ON c.id = d.contact_id
        WHERE c.account_id <> d.account_id""",
    "expenses": """SELECT e.id FROM expenses e LEFT JOIN expense_amounts a ON a.expense_id = e.id GROUP BY e.id
        HAVING (sum(a.net_amount), sum(a.tax_amount)) IS DISTINCT FROM (e.net_amount, e.tax_amount)""",
}


async def violations() -> list[str]:
    """The names of the rules that rows break."""
    return [name for name, sql in VIOLATIONS.items() if await db.fetch(sql, row=db.Row)]


async def count(table: str) -> int:
    (row,) = await db.fetch(f"SELECT count(*)::int AS number FROM {table}", row=db.Row)
    number: int = row.number
    return number


async def write(api: Api, by: Person, documents: int, **arguments: Any) -> None:
    account_id, user_id = ids.decode("Account", by.account_id), ids.decode("User", by.user_id)
    await seed.write(account_id, [user_id], documents=documents, now=api.clock(), **arguments)


async def test_documents_satisfy_all_rules_and_issuing_continues_their_series(api: Api) -> None:
    anna = await api.person("anna@example.com")
    first = await issue(api, anna, await complete_draft(api, anna), issuedOn=str(api.clock().date().replace(day=1)))
    assert codes(first) == []
    batches: list[int] = []

    await write(api, anna, 400, progress=batches.append)
    last = await issue(api, anna, await complete_draft(api, anna))

    assert await violations() == []
    assert codes(last) == []
    assert batches == [400]
    amounts = Amounts.of(400)
    assert await count("sales_documents") == 402
    assert await count("expenses") == amounts.expenses == 80
    counters = await db.fetch("SELECT max(series_counter) AS last FROM sales_documents", row=db.Row)
    assert counters[0].last == amounts.issued_count + 2


async def test_rows_are_spread_over_the_year_in_all_states(api: Api) -> None:
    anna = await api.person("anna@example.com")

    await write(api, anna, 90)

    rows = await db.fetch("SELECT status, count(*)::int AS number FROM sales_documents GROUP BY 1", row=db.Row)
    assert {row.status for row in rows} == {"DRAFT", "ISSUED", "SENT", "PARTLY_PAID", "PAID", "CREDITED"}
    (days,) = await db.fetch(
        "SELECT min(issued_on) AS first, max(issued_on) AS last, count(DISTINCT issued_on)::int AS number"
        " FROM sales_documents",
        row=db.Row,
    )
    today: date = api.clock().date()
    assert ((today - days.first).days, (today - days.last).days < 10, days.number > 80) == (364, True, True)
    assert await violations() == []


async def test_batches_continue_each_other_and_a_second_run_the_first(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "BATCH", 30)
    anna = await api.person("anna@example.com")
    batches: list[int] = []

    await write(api, anna, 70, progress=batches.append)
    await write(api, anna, 31, progress=batches.append)

    assert batches == [30, 30, 10, 30, 1]
    assert await violations() == []


async def test_totals_are_those_that_the_product_computes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await write(api, anna, 60)

    rows = await db.fetch("SELECT id, currency, net_amount, tax_amount FROM sales_documents", row=db.Row)
    totals = await document.totals_of({row.id: row.currency for row in rows})

    assert {row.id: (row.net_amount, row.tax_amount) for row in rows} == {
        key: (total.net_amount, total.tax_amount) for key, total in totals.items()
    }


async def test_demo_data_is_written_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "SIMPLE_USER")
    caller = Caller(now=api.clock(), config=OperationConfig(KEY))
    account_id = ids.decode("Account", anna.account_id)

    for _ in range(2):
        await samples.write_demo(caller, account_id)

    assert await count("sales_documents") == 30
    creators = await db.fetch("SELECT DISTINCT created_by_id AS id FROM sales_documents", row=db.Row)
    assert {ids.encode("User", row.id) for row in creators} == {anna.user_id, guest.user_id}
    query = """query ($id: ID!) { account(id: $id) { documents { totalCount } expenses { totalCount }
        contacts { totalCount } events(filter: { type: "operator" }) { nodes { type after } } } }"""
    answer = await api.ask(query, {"id": anna.account_id}, by=anna)
    assert answer.data["account"] == {
        "documents": {"totalCount": 30}, "expenses": {"totalCount": 15}, "contacts": {"totalCount": 12},
        "events": {"nodes": [{"type": "operator:workspace:seed", "after": {"documents": 30}}]},
    }  # fmt: skip


# ---- The command -----------------------------------------------------------------------------


def invoke(*arguments: str, **environ: str) -> Result:
    unset_variables = {name: None for name in os.environ if name.startswith("FULLMAKT_")}
    defaults = {"FULLMAKT_ENV": "development", "FULLMAKT_SECRET_KEY": "k" * 32}
    environment = {**unset_variables, **defaults, **environ}
    return CliRunner().invoke(cli.fullmakt, ["seed", "account", *arguments], env=environment, prog_name="fullmakt")


def test_command_needs_a_confirmation_in_production() -> None:
    production = {"FULLMAKT_ENV": "production", "FULLMAKT_DATABASE_URL": "postgresql://owner@127.0.0.1:1/fullmakt"}

    refusal = invoke("10000000", **production, FULLMAKT_PUBLIC_URL="https://fullmakt.example.com")
    attempt = invoke("10000000", "--allow-production", **production, FULLMAKT_PUBLIC_URL="https://fullmakt.example.com")

    assert (refusal.exit_code, "--allow-production" in refusal.stderr) == (2, True)
    assert attempt.exit_code == 1  # it reaches the database, and there is none


@pytest.mark.parametrize(
    "arguments", [[], ["10000000", "--owner", "a@example.com"], ["1", "--rows", "0"], ["1", "--rows", "1000001"], ["x"]]
)
def test_command_refuses_wrong_usage(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


async def account_numbers() -> dict[str, int]:
    """The number of each account, by its name."""
    return {row.name: row.number for row in await db.fetch("SELECT name, number FROM accounts", row=db.Row)}


async def test_command_fills_an_account_and_a_new_one(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak Meble")
    number = (await account_numbers())["Nowak Meble"]

    first = await run_command(database_url, "seed", "account", "--allow-production", str(number), "--rows", "45")
    second = await run_command(
        database_url, "seed", "account", "--allow-production", "--owner", "ANNA@example.com", "--rows", "15"
    )
    unknown = await run_command(database_url, "seed", "account", "--allow-production", "99999999", "--rows", "15")
    stranger = await run_command(database_url, "seed", "account", "--allow-production", "--owner", "stig@example.com")

    new_number = (await account_numbers())["Generated"]
    assert [result[0] for result in (first, second, unknown, stranger)] == [0, 0, 1, 1]
    assert f"Account {number}: wrote 45 rows of each module." in first[1]
    assert f"Account {new_number}: wrote 15 rows of each module." in second[1]
    assert (unknown[2], stranger[2]) == (
        "Error: There is no account 99999999.\n",
        "Error: There is no user stig@example.com.\n",
    )
    assert await count("sales_documents") == 60
    assert await violations() == []
    answer = await api.ask("{ accounts { nodes { documents { totalCount } } } }", by=anna)
    counts = [node["documents"]["totalCount"] for node in answer.data["accounts"]["nodes"]]
    assert sorted(counts) == [15, 45]
