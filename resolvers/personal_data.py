"""What is held about the signed-in user: taking it with him, and erasing it."""

from models.privacy import erasure, export
from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver


async def _exported(context: Context, held: dict[str, object]) -> dict[str, object]:
    return {"document": held, "viewer": context.session}


async def _erased(context: Context, _: None) -> dict[str, object]:
    await context.become(None, None)
    return {}


export_my_data = mutation_resolver(export.export, _exported)
erase_me = mutation_resolver(erasure.erase, _erased)
