"""Mutations that export and erase the viewer's personal data."""

from models.privacy import erasure, export
from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver


async def _load_export_payload(context: Context, document: dict[str, object]) -> dict[str, object]:
    return {"document": document, "viewer": context.session}


async def _end_session(context: Context, _: None) -> dict[str, object]:
    await context.set_session(None, None)
    return {}


export_my_data = mutation_resolver(export.export, _load_export_payload)
erase_me = mutation_resolver(erasure.erase, _end_session)
