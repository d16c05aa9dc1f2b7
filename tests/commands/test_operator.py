"""Tests of the commands for the operator. Each command runs in its own process."""

import pytest

from database import db
from models.accounts.account import Account
from models.billing import voucher
from models.outbox import mail_limit
from tests.api import Api
from tests.commands.command_line import run_command
from tests.models.outbox.test_mail_limit import invite
from tests.models.throttle_attempts import fill


async def account_number(api: Api) -> str:
    """Register a user and return the number of the new account."""
    _ = await api.person("anna@example.com")
    return str((await Account.get()).number)


async def test_seats_are_set(api: Api, database_url: str) -> None:
    account = await account_number(api)

    result = await run_command(database_url, "seats", account, "3")

    assert result == (0, f"Account {account}: 3 seats, 0 used, 0 reserved, 3 available.\n", "")
    assert (await Account.get()).purchased_seats == 3


@pytest.mark.parametrize(
    ("arguments", "expected_code", "reason"),
    [
        (("99", "3"), 1, "Error: No account has this number.\n"),
        (("ACCOUNT", "-- -1"), 1, "Error: This must be from 0 to 100000.\n"),
        (("ACCOUNT", "many"), 2, "'many' is not a valid integer"),
        (("ACCOUNT",), 2, "Missing argument 'COUNT'"),
        ((str(2**31), "3"), 2, "is not in the range"),
    ],
)
async def test_invalid_seat_count_is_rejected(
    api: Api, database_url: str, arguments: tuple[str, ...], expected_code: int, reason: str
) -> None:
    account = await account_number(api)
    words = " ".join(arguments).replace("ACCOUNT", account).split()

    exit_code, output, error_output = await run_command(database_url, "seats", *words)

    assert (exit_code, output) == (expected_code, "")
    assert reason in error_output
    assert (await Account.get()).purchased_seats == 1000


async def test_limits_are_raised_listed_and_lowered(api: Api, database_url: str) -> None:
    """Servers see a raise at once: the command is another process."""
    anna = await api.person("anna@example.com")
    account = str((await Account.get()).number)
    assert await invite(api, anna, "p1@example.com") == "done"
    await fill(mail_limit.NEW.offers, 50)
    assert await invite(api, anna, "p2@example.com") == "RATE_LIMITED"

    day = "2100-01-31"

    raise_output = await run_command(database_url, "limits", "raise", "invitations", account, "300", "--until", day)

    assert raise_output == (0, f"Account {account}: INVITATIONS is 300 a day until {day}.\n", "")
    assert await invite(api, anna, "p2@example.com") == "done"
    list_output = await run_command(database_url, "limits", "list")
    assert list_output == (0, f"{account}: INVITATIONS is 300 a day until {day}\n", "")
    lower_output = await run_command(database_url, "limits", "lower", "INVITATIONS", account)
    assert lower_output == (0, f"Account {account}: INVITATIONS is not raised any more.\n", "")
    assert await invite(api, anna, "p3@example.com") == "RATE_LIMITED"
    assert await run_command(database_url, "limits", "list") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "expected_code", "reason"),
    [
        (("raise", "ACCOUNTS", "ACCOUNT", "9", "--until", "2100-01-01"), 2, "ACCOUNTS is none of INVITATIONS, "),
        (("raise", "INVITATIONS", "ACCOUNT", "9"), 2, "Missing option '--until'"),
        (("raise", "INVITATIONS", "ACCOUNT", "9", "--until", "2020-01-01"), 1, "This is in the past."),
        (("raise", "INVITATIONS", "ACCOUNT", "10001", "--until", "2100-01-01"), 1, "from 1 to 10000"),
        (("raise", "INVITATIONS", "99", "9", "--until", "2100-01-01"), 1, "No account has this number."),
        (("lower", "INVITATIONS", "ACCOUNT"), 1, "This limit is not raised for the account."),
    ],
)
async def test_invalid_limit_is_rejected(
    api: Api, database_url: str, arguments: tuple[str, ...], expected_code: int, reason: str
) -> None:
    account = await account_number(api)
    words = [account if word == "ACCOUNT" else word for word in arguments]

    exit_code, output, error_output = await run_command(database_url, "limits", *words)

    assert (exit_code, output) == (expected_code, "")
    assert reason in error_output


async def test_numbers_are_released(api: Api, database_url: str) -> None:
    arguments = ("numbers", "release", "--country", "PL", "526-025-02-74")
    assert await run_command(database_url, *arguments) == (1, "", "Error: Not found.\n")
    _ = await api.person("anna@example.com", country="PL", organizationNumber="5260250274")

    result = await run_command(database_url, *arguments)

    assert result == (0, "526-025-02-74: taken from 1 account.\n", "")
    assert (await Account.get()).organization_number is None
    assert await run_command(database_url, "numbers", "claims") == (0, "", "")


async def test_vouchers_are_created_and_listed(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    options = ("--days", "30", "--count", "3", "--expires", "2099-12-31", "--reference", "spring")

    exit_code, output, error_output = await run_command(database_url, "vouchers", "create", *options)

    assert (exit_code, error_output) == (0, "")
    codes = output.split()
    assert len(codes) == 3
    payload = await api.do("redeemVoucher", {"accountId": anna.account_id, "code": codes[2]}, "entry { days }", by=anna)
    assert payload == {"entry": {"days": 30}, "errors": []}
    assert await run_command(database_url, "vouchers", "list") == (
        0,
        "spring: 3 of 30 days, 1 redeemed, valid until 2099-12-31\n",
        "",
    )
    repetition = await run_command(database_url, "vouchers", "create", *options)
    assert repetition == (1, "", "Error: This reference was used before.\n")


@pytest.mark.parametrize(
    ("arguments", "expected_code"),
    [
        ("--days 0 --reference x", 1),
        ("--days 30 --count 20000 --reference x", 1),
        ("--days 30 --expires 2020-01-01 --reference x", 1),
        ("--days 30 --count 0 --reference x", 2),
        ("--days 30 --expires 31.12.2099 --reference x", 2),
        ("--days 30", 2),
    ],
)
async def test_invalid_voucher_options_are_rejected(
    api: Api, database_url: str, arguments: str, expected_code: int
) -> None:
    exit_code, output, error_output = await run_command(database_url, "vouchers", "create", *arguments.split())

    assert (exit_code, output) == (expected_code, "")
    assert error_output.splitlines()[-1].startswith("Error: ")
    assert await voucher.list_batches() == []


async def test_jobs_command_runs_all_jobs(api: Api, database_url: str) -> None:
    _ = await api.person("anna@example.com")
    await db.execute("UPDATE sessions SET ended_at = created_at - interval '90 days'")

    result = await run_command(database_url, "jobs")

    lines = [
        "     0 accounts closed",
        "     0 grants expired",
        "     0 offers of ownership expired",
        "     0 subscriptions announced to end",
        "     0 grants announced to end",
        "     0 abandoned numbers given free",
        "     0 claimed numbers decided",
        "     0 erasures continued",
        "     0 heads of chains anchored",
        "     1 old rows deleted",
        "     0 exports ended",
        "     0 parts of exports written",
    ]
    assert result == (0, "\n".join(lines) + "\n", "")
