"""Resolvers of the viewer's own second factor. Other users cannot see it."""

from collections.abc import Sequence

from models.people import second_factor
from models.people.second_factor import Enrolment, SecondFactor
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver


async def of_viewer(parents: Sequence[object], info: Info) -> list[SecondFactor]:
    """The caller's second factor."""
    return [await second_factor.of_user(info.context.caller.user())] * len(parents)


async def _load_enrolment_payload(context: Context, enrolment: Enrolment) -> dict[str, object]:
    return {"secret": enrolment.secret, "uri": enrolment.uri, "viewer": context.session}


async def _load_recovery_codes_payload(context: Context, recovery_codes: list[str]) -> dict[str, object]:
    return {"recovery_codes": recovery_codes, "viewer": context.session}


async def _load_viewer_payload(context: Context, _: None) -> dict[str, object]:
    return {"viewer": context.session}


enroll_second_factor = mutation_resolver(second_factor.enroll, _load_enrolment_payload)
confirm_second_factor = mutation_resolver(second_factor.confirm, _load_recovery_codes_payload)
disable_second_factor = mutation_resolver(second_factor.disable, _load_viewer_payload)
regenerate_recovery_codes = mutation_resolver(second_factor.regenerate_recovery_codes, _load_recovery_codes_payload)
