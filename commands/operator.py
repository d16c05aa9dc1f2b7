"""Commands for the operator: subscriptions, seats, limits, vouchers, registered numbers, second factors and jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import click

from commands.runtime import database, load_settings
from settings import Settings

if TYPE_CHECKING:
    from models.base.caller import Caller
    from models.base.limit_name import LimitName

T = TypeVar("T")
ACCOUNT_NUMBER: Final = click.IntRange(1, 2**31 - 1)


@click.command()
@click.argument("account_number", type=ACCOUNT_NUMBER)
@click.argument("days", type=int)
@click.option("--reference", required=True, help="The order or invoice number, stored in the ledger.")
def credit(account_number: int, days: int, *, reference: str) -> None:
    """Add DAYS of subscription, paid outside Fullmakt, to the account ACCOUNT_NUMBER."""
    from models.billing import subscription

    end = run_operation(lambda caller: subscription.credit(caller, account_number, days, reference=reference))
    click.echo(f"Account {account_number}: {days} days credited, valid until {end:%Y-%m-%d %H:%M} UTC.")


@click.command()
@click.argument("account_number", type=ACCOUNT_NUMBER)
@click.argument("count", type=int)
def seats(account_number: int, count: int) -> None:
    """Set the number of seats of the account ACCOUNT_NUMBER to COUNT, effective at once.

    Owners, accountants and the consultants of bureaus take no seat. Seats that are used, or reserved by
    pending invitations, cannot be taken away.
    """
    from models.access import seat

    state = run_operation(lambda caller: seat.sell(caller, account_number, count))
    click.echo(
        f"Account {account_number}: {state.purchased} seats, {state.used} used, {state.reserved} reserved, "
        f"{state.available} available."
    )


@click.group()
def limits() -> None:
    """Raise the limit of an account for a time.

    NAME is the limit that a refusal gives: INVITATIONS, CLIENT_ACCOUNTS, ENGAGEMENTS, or ACCESS_REQUESTS for
    requests on behalf of the account. Other limits cannot be raised for one account.
    """


@limits.command(name="raise")
@click.argument("name")
@click.argument("account_number", type=ACCOUNT_NUMBER)
@click.argument("per_day", type=int)
@click.option("--until", "last_day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The last day, in UTC.")
def raise_limit(name: str, account_number: int, per_day: int, *, last_day: datetime) -> None:
    """Set the limit NAME of the account ACCOUNT_NUMBER to PER_DAY until the end of a day, effective at once.

    An account has at most a quarter of FULLMAKT_MAILS_PER_HOUR, raised or not.
    """
    from models.accounts import limit_raise

    ends_at = last_day.replace(tzinfo=UTC) + timedelta(days=1)
    limit = _limit_name(name)
    run_operation(lambda caller: limit_raise.raise_limit(caller, account_number, limit, per_day, ends_at=ends_at))
    click.echo(f"Account {account_number}: {limit} is {per_day} a day until {last_day:%Y-%m-%d}.")


@limits.command()
@click.argument("name")
@click.argument("account_number", type=ACCOUNT_NUMBER)
def lower(name: str, account_number: int) -> None:
    """End the raise of the limit NAME of the account ACCOUNT_NUMBER, effective at once."""
    from models.accounts import limit_raise

    limit = _limit_name(name)
    run_operation(lambda caller: limit_raise.lower(caller, account_number, limit))
    click.echo(f"Account {account_number}: {limit} is not raised any more.")


@limits.command(name="list")
def list_limits() -> None:
    """List the raised limits that have not ended."""
    from models.accounts import limit_raise

    for row in run_operation(lambda caller: limit_raise.list_raises(caller.now)):
        # `ends_at` is the end of the last day.
        last_day = row.ends_at - timedelta(days=1)
        click.echo(f"{row.account_number}: {row.name} is {row.per_day} a day until {last_day:%Y-%m-%d}")


def _limit_name(name: str) -> "LimitName":
    from models.accounts.limit_raise import RAISABLE

    limits_by_name = {str(limit): limit for limit in RAISABLE}
    if name.upper() in limits_by_name:
        return limits_by_name[name.upper()]
    raise click.BadParameter(f"{name} is none of {', '.join(RAISABLE)}.", param_hint="'NAME'")


@click.group()
def vouchers() -> None:
    """Issue vouchers that customers redeem for days of subscription.

    The codes are shown once, when they are created. Only their digests are stored.
    """


@vouchers.command()
@click.option("--days", type=int, required=True, help="Days of subscription of each voucher.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Number of vouchers.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="Last day of validity, in UTC. Default: no end.")
@click.option("--reference", required=True, help="A unique name of this batch: a campaign or an order number.")
def create(days: int, count: int, expires: datetime | None, *, reference: str) -> None:
    """Create COUNT vouchers of DAYS days and print their codes, one per line.

    Repeating a successful command creates no more vouchers, because the reference is already used.
    """
    from models.billing import voucher

    codes = voucher.new_codes(count)
    last_day = expires.date() if expires else None
    run_operation(lambda caller: voucher.issue(caller, codes, days=days, reference=reference, last_day=last_day))
    click.echo("\n".join(codes))


@vouchers.command(name="list")
def list_vouchers() -> None:
    """List the batches of vouchers with the number of redeemed vouchers."""
    from models.billing import voucher

    for batch in run_operation(lambda _: voucher.list_batches()):
        # `expires_at` is the end of the last day.
        validity = f"until {batch.expires_at - timedelta(days=1):%Y-%m-%d}" if batch.expires_at else "without end"
        counts = f"{batch.issued_count} of {batch.days} days, {batch.redeemed_count} redeemed"
        click.echo(f"{batch.reference}: {counts}, valid {validity}")


@click.group()
def numbers() -> None:
    """Release registered numbers, and list the claims of numbers that other accounts have."""


@numbers.command()
@click.argument("number")
@click.option("--country", help="The country of an organization number, such as PL. Without it: a bank account.")
def release(number: str, country: str | None) -> None:
    """Take NUMBER from the accounts that have it. Another account can have it then.

    Verify first that the holder has no right to it. The owners are notified by mail. A waiting claim
    gets the number within a minute.
    """
    from models.accounts import number_claim

    account_ids = run_operation(lambda caller: number_claim.release(caller, number, country))
    click.echo(f"{number}: taken from {len(account_ids)} {'account' if len(account_ids) == 1 else 'accounts'}.")


@numbers.command()
def claims() -> None:
    """List the claims that wait for the objection of an account without payments."""
    from models.accounts import number_claim

    for row in run_operation(lambda _: number_claim.list_claims()):
        click.echo(f"{row.number}: from {row.holder} to {row.claimant} on {row.moves_at:%Y-%m-%d %H:%M} UTC")


@click.command("disable-second-factor")
@click.argument("email")
def disable_second_factor(email: str) -> None:
    """Disable the second factor of the user with the login EMAIL.

    For a user who has lost the authenticator app or the passkeys, and the recovery codes. Removes the app
    and all passkeys. Verify the identity of the user first. Their sessions end, and they are notified by mail.
    """
    from models.people import second_factor

    run_operation(lambda caller: second_factor.disable_lost(caller, email))
    click.echo(f"{email}: the second factor is disabled.")


@click.command()
def jobs() -> None:
    """Run the scheduled jobs once. The servers run them every minute.

    The jobs store expirations, send reminders and delete old rows. They may run at any time, also
    concurrently. Mails are written to the outbox, and a server sends them.
    """
    from models.scheduled import jobs as scheduled_jobs

    for job, count in run_operation(scheduled_jobs.run).items():
        click.echo(f"{count:>6} {job}")


def run_operation(operation: "Callable[[Caller], Awaitable[T]]") -> T:
    """Run an operation on behalf of the operator and return its result."""
    from database import clock, db
    from models.base.caller import Caller, configure
    from models.tables import SCHEMA

    async def run(settings: Settings) -> T:
        async with db.connection(settings.database_url, SCHEMA, pool_size=2):
            return await operation(Caller(now=await clock.read(), config=configure(settings)))

    with database(load_settings()) as settings:
        return asyncio.run(run(settings))
