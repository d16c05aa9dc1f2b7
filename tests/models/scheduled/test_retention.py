"""The deletion of old rows after their retention."""

from datetime import timedelta

from database import db
from tests.api import Api, codes, count_rows
from tests.models.scheduled.job_runs import delete_old_rows


async def test_old_rows_are_deleted_after_their_retention(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second_account_id = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    await db.execute("UPDATE accounts SET trial_until = NULL")  # the days can be transferred
    arguments = {"accountId": second_account_id, "payerAccountId": anna.account_id, "days": 10, "idempotencyKey": "one"}
    assert codes(await api.do("extendSubscription", arguments, by=anna)) == []
    assert codes(await api.do("signOut", None, by=anna)) == []
    for table in ("guesses", "grant_changes"):  # kept for a day or less; tested elsewhere
        await db.execute(f"DELETE FROM {table}")
    before = await count_rows()

    deleted_by_day: dict[int, int] = {}
    start = api.clock.now
    for days in (2, 3, 30, 31, 32):
        api.clock.now = start + timedelta(days=days)
        deleted_by_day[days] = await delete_old_rows(api)

    # The idempotency key after two days, the session after 30 days, the link 30 days after its expiry.
    assert deleted_by_day == {2: 0, 3: 1, 30: 0, 31: 1, 32: 1}
    after = await count_rows()
    assert (after["sessions"], after["user_tokens"], after["idempotency_keys"]) == (0, 0, 0)
    kept_tables = ("users", "accounts", "grants", "subscription_entries", "events")
    assert [after[name] for name in kept_tables] == [before[name] for name in kept_tables]


async def test_old_message_is_deleted_unless_it_is_queued(api: Api) -> None:
    await api.person("anna@example.com")
    await api.person("eva@example.com")
    await db.execute("UPDATE messages SET status = 'FAILED' WHERE to_address = 'anna@example.com'")
    # Far in the future, so that the mail worker does not send it.
    await db.execute(
        "UPDATE messages SET status = 'QUEUED', next_attempt_at = '9999-01-01' WHERE to_address = 'eva@example.com'"
    )
    api.clock.forward(days=401)

    assert await delete_old_rows(api) >= 1

    rows = await db.fetch("SELECT DISTINCT to_address FROM messages WHERE kind = 'activation'", row=db.Row)
    assert [row.to_address for row in rows] == ["eva@example.com"]
