"""What the operator sells and checks, beside what the graph offers."""

import asyncio
from datetime import UTC, datetime

import click

from commands.ground import database, settings
from settings import Settings


@click.command()
@click.argument("account_number", type=click.IntRange(min=1))
@click.argument("days", type=int)
@click.option("--reference", required=True, help="What was paid, for the ledger: an order or invoice number.")
def credit(account_number: int, days: int, *, reference: str) -> None:
    """Add DAYS of subscription, paid outside Fullmakt, to the account ACCOUNT_NUMBER."""
    from models import db, subscription
    from models.caller import Caller, Site

    async def work(ready: Settings) -> datetime:
        caller = Caller(now=datetime.now(UTC), site=Site(ready.secret_key, ready.trial_days))
        async with db.connection(ready.database_url, pool_size=2):
            return await subscription.credit(caller, account_number, days, reference=reference)

    with database(settings()) as ready:
        until = asyncio.run(work(ready))
    click.echo(f"Account {account_number}: {days} days credited, valid until {until:%Y-%m-%d %H:%M} UTC.")
