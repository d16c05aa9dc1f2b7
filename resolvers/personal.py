"""What is held about the signed-in user: taking it with him, and erasing it."""

from models import erasure, portability
from resolvers.context import Context
from resolvers.perform import perform


async def _exported(context: Context, held: dict[str, object]) -> dict[str, object]:
    return {"document": held, "viewer": context.session}


async def _erased(context: Context, _: None) -> dict[str, object]:
    await context.become(None, None)
    return {}


export_my_data = perform(portability.export, _exported)
erase_me = perform(erasure.erase, _erased)
