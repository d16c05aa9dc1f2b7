"""Following, as one of the world's people, and judging what is shown of each event by rule and table."""

from typing import Any

from graphql import get_named_type, is_leaf_type

from auth import policy
from tests.api import Answer
from tests.following import following
from tests.schema.walk import TYPES, Found, Judge, found_at, refusal, rule, selected, target
from tests.schema.world import World, key

SUBSCRIPTIONS = sorted(TYPES["Subscription"].fields)


def document(world: World, name: str) -> str:
    """A subscription with all fields of its events, and of what they lead to."""
    type_name = target(TYPES["Subscription"].fields[name])
    parts = [
        field if is_leaf_type(get_named_type(declared.type)) else f"{field} {{ {selected(world, target(declared))} }}"
        for field, declared in TYPES[type_name].fields.items()
    ]
    mark = "_id: id" if "id" in TYPES[type_name].fields else ""
    given = f'(accountId: "{world.owner.account_id}")' if TYPES["Subscription"].fields[name].args else ""
    return f"subscription {{ {name}{given} {{ {mark} {' '.join(parts)} }} }}"


async def expected(world: World, name: str, subscription: str) -> dict[str, Any] | None:
    """The extensions of the error that somebody gets who may not follow; None where he may."""
    demanded = rule("Subscription", subscription)
    standing = await world.standing(name, key(world.owner.account_id))
    if world.people[name] is None:
        return refusal(demanded, None, signed_in=False)
    lacks = demanded.permission and not policy.effective(standing) & policy.mask([demanded.permission])
    return refusal(demanded, standing, signed_in=True) if lacks else None


async def followed(world: World, name: str, subscription: str) -> Found:
    """Open a subscription, let something happen that it shows, and judge all of that."""
    said, query = Found(), document(world, subscription)
    refused = await expected(world, name, subscription)
    happen = await _something(world, name, subscription)
    async with following(world.api, query, by=world.people[name]) as stream:
        await stream.opened()
        if refused is None:
            await happen()
        answer = await stream.answer()
        assert refused is None or await stream.next() is None
    if refused is not None:
        said.denied.add(("Subscription", subscription))
        errors = [{k: v for k, v in error["extensions"].items() if k != "requestId"} for error in answer.errors]
        assert (answer.partial, errors) == (None, [refused])
        assert [error["path"] for error in answer.errors] == [[subscription]]
        return said
    said.allowed.add(("Subscription", subscription))
    await _judge(world, name, subscription, answer, said)
    return said


async def _something(world: World, name: str, subscription: str) -> Any:
    """What is to be done so that an event comes, once everything for it is prepared."""
    if subscription == "accountEvents":
        return world.invited
    if name == "owner":
        return lambda: world.api.do("createAccount", {"name": "New AS"}, by=world.owner)
    person = world.people[name]
    if person is not None:
        await world.offered(person)
    return lambda: world.joined(world.somebody(name))


async def _judge(world: World, name: str, subscription: str, answer: Answer, said: Found) -> None:
    judge = Judge(world, name, said)
    type_name = target(TYPES["Subscription"].fields[subscription])
    await judge.judge(type_name, (subscription,), answer.partial[subscription], world.owner.account_id)
    for field, declared in TYPES[type_name].fields.items():
        if not is_leaf_type(get_named_type(declared.type)):
            for path, value, account in found_at(answer.partial, (subscription, field)):
                await judge.judge(target(declared), path, value, account)
    judge.errors(answer, subscription)
