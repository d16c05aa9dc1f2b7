"""What the operator sells and checks, beside what the graph offers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import click

from commands.runtime import database, settings
from settings import Settings

if TYPE_CHECKING:
    from models.base.caller import Caller

T = TypeVar("T")
ACCOUNT_NUMBER: Final = click.IntRange(1, 2**31 - 1)


@click.command()
@click.argument("account_number", type=ACCOUNT_NUMBER)
@click.argument("days", type=int)
@click.option("--reference", required=True, help="What was paid, for the ledger: an order or invoice number.")
def credit(account_number: int, days: int, *, reference: str) -> None:
    """Add DAYS of subscription, paid outside Fullmakt, to the account ACCOUNT_NUMBER."""
    from models.billing import subscription

    until = operate(lambda caller: subscription.credit(caller, account_number, days, reference=reference))
    click.echo(f"Account {account_number}: {days} days credited, valid until {until:%Y-%m-%d %H:%M} UTC.")


@click.command()
@click.argument("account_number", type=ACCOUNT_NUMBER)
@click.argument("count", type=int)
def seats(account_number: int, count: int) -> None:
    """Let the account ACCOUNT_NUMBER have COUNT seats in all, at once.

    Owners, accountants and consultants take no seat. There cannot be fewer than are used, or
    reserved by pending invitations.
    """
    from models.access import seat

    now = operate(lambda caller: seat.sell(caller, account_number, count))
    click.echo(
        f"Account {account_number}: {now.purchased} seats, {now.used} used, {now.reserved} reserved, "
        f"{now.available} available."
    )


@click.group()
def vouchers() -> None:
    """Issue vouchers, which customers turn into days of subscription.

    Their codes are shown once, when they are made, and stored as digests only.
    """


@vouchers.command()
@click.option("--days", type=int, required=True, help="What each is worth.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many to make.")
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), help="Their last day, in UTC. Without it they last for ever."
)
@click.option("--reference", required=True, help="Names them for good: a campaign or an order number. Used once.")
def create(days: int, count: int, expires: datetime | None, *, reference: str) -> None:
    """Make COUNT vouchers of DAYS days, and print their codes, one a line.

    Repeating a command that went through makes no more: its reference was used.
    """
    from models.billing import voucher

    codes = voucher.new_codes(count)
    last_day = expires.date() if expires else None
    operate(lambda caller: voucher.issue(caller, codes, days=days, reference=reference, last_day=last_day))
    click.echo("\n".join(codes))


@vouchers.command(name="list")
def list_vouchers() -> None:
    """Show what was issued, and how much of it was redeemed."""
    from models.billing import voucher

    for batch in operate(lambda _: voucher.batches()):
        # The instant after the last day.
        last = f"to {batch.expires_at - timedelta(days=1):%Y-%m-%d}" if batch.expires_at else "for ever"
        click.echo(f"{batch.reference}: {batch.issued} of {batch.days} days, {batch.redeemed} redeemed, good {last}")


@click.command("disable-second-factor")
@click.argument("email")
def disable_second_factor(email: str) -> None:
    """Let the login EMAIL sign in with its password alone again.

    For somebody who has lost both the app and the recovery codes: make sure that it is he who asks.
    His sessions end, and a mail tells him.
    """
    from models.people import second_factor

    operate(lambda caller: second_factor.take_away(caller, email))
    click.echo(f"{email}: the second factor is disabled.")


@click.command()
def jobs() -> None:
    """Do once what the servers do every minute: store what has expired, send reminders, delete old rows.

    Safe at any time, beside servers and beside itself. Mails go into the outbox; a server sends them.
    """
    from models.scheduled import jobs as clock

    for done, amount in operate(clock.run).items():
        click.echo(f"{amount:>6} {done}")


def operate(operation: "Callable[[Caller], Awaitable[T]]") -> T:
    """What an operation gives, done on the operator's behalf."""
    from database import db
    from models.base.caller import Caller, OperationConfig
    from models.tables import SCHEMA

    async def work(ready: Settings) -> T:
        site = OperationConfig(ready.secret_key, ready.trial_days, ready.free_seats)
        async with db.connection(ready.database_url, SCHEMA, pool_size=2):
            return await operation(Caller(now=datetime.now(UTC), config=site))

    with database(settings()) as ready:
        return asyncio.run(work(ready))
