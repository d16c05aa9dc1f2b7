"""Subscriptions of one caller, with a check of every field of an event against its rule and the permission table."""

from typing import Any

from graphql import get_named_type, is_leaf_type

from auth import policy
from tests.api import Response
from tests.event_stream import follow
from tests.schema.walk import (
    TYPES,
    Findings,
    ResponseChecker,
    objects_at,
    refusal_extensions,
    rule,
    selection,
    target_type,
)
from tests.schema.world import World, key

SUBSCRIPTIONS = sorted(TYPES["Subscription"].fields)


def document(world: World, name: str) -> str:
    """A subscription for all fields of its events, and of the objects of an event."""
    type_name = target_type(TYPES["Subscription"].fields[name])
    parts = [
        field
        if is_leaf_type(get_named_type(definition.type))
        else f"{field} {{ {selection(world, target_type(definition))} }}"
        for field, definition in TYPES[type_name].fields.items()
    ]
    id_alias = "_id: id" if "id" in TYPES[type_name].fields else ""
    arguments = f'(accountId: "{world.owner.account_id}")' if TYPES["Subscription"].fields[name].args else ""
    return f"subscription {{ {name}{arguments} {{ {id_alias} {' '.join(parts)} }} }}"


async def expected_refusal(world: World, name: str, subscription: str) -> dict[str, Any] | None:
    """The extensions of the error for a caller who may not subscribe. None if the caller may."""
    subscription_rule = rule("Subscription", subscription)
    facts = await world.grant_facts(name, key(world.owner.account_id))
    if world.people[name] is None:
        return refusal_extensions(subscription_rule, None, signed_in=False)
    lacks = subscription_rule.permission and not policy.effective_bits(facts) & policy.mask(
        [subscription_rule.permission]
    )
    return refusal_extensions(subscription_rule, facts, signed_in=True) if lacks else None


async def follow_and_check(world: World, name: str, subscription: str) -> Findings:
    """Open a subscription, cause an event, and check it."""
    findings, query = Findings(), document(world, subscription)
    refusal = await expected_refusal(world, name, subscription)
    cause_event = await _prepare_event(world, name, subscription)
    async with follow(world.api, query, by=world.people[name]) as stream:
        await stream.wait_until_open()
        if refusal is None:
            await cause_event()
        answer = await stream.answer()
        assert refusal is None or await stream.next() is None
    if refusal is not None:
        findings.denied_fields.add(("Subscription", subscription))
        errors = [{k: v for k, v in error["extensions"].items() if k != "requestId"} for error in answer.errors]
        assert (answer.partial, errors) == (None, [refusal])
        assert [error["path"] for error in answer.errors] == [[subscription]]
        return findings
    findings.allowed_fields.add(("Subscription", subscription))
    await _check_event(world, name, subscription, answer, findings)
    return findings


async def _prepare_event(world: World, name: str, subscription: str) -> Any:
    """Prepare an event. Returns the function that causes it."""
    if subscription == "accountEvents":
        return world.invite
    if name == "owner":
        return lambda: world.api.do("createAccount", {"name": "New AS"}, by=world.owner)
    person = world.people[name]
    if person is not None:
        await world.ensure_invitation(person)
    return lambda: world.ensure_grant(world.person(name))


async def _check_event(world: World, name: str, subscription: str, answer: Response, findings: Findings) -> None:
    checker = ResponseChecker(world, name, findings)
    type_name = target_type(TYPES["Subscription"].fields[subscription])
    await checker.check_object(type_name, (subscription,), answer.partial[subscription], world.owner.account_id)
    for field, definition in TYPES[type_name].fields.items():
        if not is_leaf_type(get_named_type(definition.type)):
            for path, value, account in objects_at(answer.partial, (subscription, field)):
                await checker.check_object(target_type(definition), path, value, account)
    checker.check_errors(answer, subscription)
