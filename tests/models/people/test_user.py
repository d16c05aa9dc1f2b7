"""Profiles of users."""

from tests.api import Api
from tests.models.refusals import events, refusal_codes


async def test_profile_update_changes_only_the_given_fields(api: Api) -> None:
    anna = await api.person("anna@example.com")

    payload = await api.do("updateProfile", {"name": " Anna  Kowalska "}, "user { name locale }", by=anna)

    assert payload["user"] == {"name": "Anna  Kowalska", "locale": "en"}
    (event,) = await events("user:profile:update")
    assert (event.before, event.after) == ('{"name": "Anna Nowak"}', '{"name": "Anna  Kowalska"}')


async def test_unchanged_profile_records_no_event(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "updateProfile", {"name": "Anna Nowak"}, by=anna) == []
    assert await refusal_codes(api, "updateProfile", {"name": "", "locale": "tlh"}, by=anna) == [
        ("REQUIRED", ["name"]),
        ("INVALID", ["locale"]),
    ]
