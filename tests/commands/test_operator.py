"""The operator's commands, each in a process of its own, on a database that a server uses too."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from database import db
from models.accounts.account import Account
from models.billing import voucher
from tests.api import KEY, Api

ROOT = Path(__file__).resolve().parents[2]


async def fullmakt(database_url: str, *arguments: str) -> tuple[int, str, str]:
    """A command's exit code, and what it said on both outputs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "cli.py",
        *arguments,
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "FULLMAKT_DATABASE_URL": database_url,
            "FULLMAKT_SECRET_KEY": KEY,
            "FULLMAKT_PUBLIC_URL": "https://fullmakt.example.com",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def number(api: Api) -> str:
    """The public number of a new account."""
    _ = await api.person("anna@example.com")
    return str((await Account.get()).number)


async def test_seats_are_sold(api: Api, database_url: str) -> None:
    account = await number(api)

    done = await fullmakt(database_url, "seats", account, "3")

    assert done == (0, f"Account {account}: 3 seats, 0 used, 0 reserved, 3 available.\n", "")
    assert (await Account.get()).purchased_seats == 3


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("99", "3"), 1, "Error: No account has this number.\n"),
        (("ACCOUNT", "-- -1"), 1, "Error: This must be from 0 to 100000.\n"),
        (("ACCOUNT", "many"), 2, "'many' is not a valid integer"),
        (("ACCOUNT",), 2, "Missing argument 'COUNT'"),
        ((str(2**31), "3"), 2, "is not in the range"),
    ],
)
async def test_seats_are_refused(
    api: Api, database_url: str, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    account = await number(api)
    given = " ".join(arguments).replace("ACCOUNT", account).split()

    found, said, complained = await fullmakt(database_url, "seats", *given)

    assert (found, said) == (code, "")
    assert reason in complained
    assert (await Account.get()).purchased_seats == 1000


async def test_vouchers_are_made_and_listed(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    asked = ("--days", "30", "--count", "3", "--expires", "2099-12-31", "--reference", "spring")

    code, said, complained = await fullmakt(database_url, "vouchers", "create", *asked)

    assert (code, complained) == (0, "")
    made = said.split()
    assert len(made) == 3
    redeemed = await api.do("redeemVoucher", {"accountId": anna.account_id, "code": made[2]}, "entry { days }", by=anna)
    assert redeemed == {"entry": {"days": 30}, "errors": []}
    assert await fullmakt(database_url, "vouchers", "list") == (
        0,
        "spring: 3 of 30 days, 1 redeemed, good to 2099-12-31\n",
        "",
    )
    again = await fullmakt(database_url, "vouchers", "create", *asked)
    assert again == (1, "", "Error: This reference was used before.\n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--days 0 --reference x", 1),
        ("--days 30 --count 20000 --reference x", 1),
        ("--days 30 --expires 2020-01-01 --reference x", 1),
        ("--days 30 --count 0 --reference x", 2),
        ("--days 30 --expires 31.12.2099 --reference x", 2),
        ("--days 30", 2),
    ],
)
async def test_vouchers_are_refused(api: Api, database_url: str, arguments: str, code: int) -> None:
    found, said, complained = await fullmakt(database_url, "vouchers", "create", *arguments.split())

    assert (found, said) == (code, "")
    assert complained.splitlines()[-1].startswith("Error: ")
    assert await voucher.batches() == []


async def test_jobs_are_done_by_hand(api: Api, database_url: str) -> None:
    _ = await api.person("anna@example.com")
    await db.execute("UPDATE sessions SET ended_at = created_at - interval '90 days'")

    done = await fullmakt(database_url, "jobs")

    lines = [
        "     0 grants expired",
        "     0 offers of ownership expired",
        "     0 subscriptions announced to end",
        "     0 grants announced to end",
        "     0 abandoned numbers given free",
        "     1 old rows deleted",
    ]
    assert done == (0, "\n".join(lines) + "\n", "")
