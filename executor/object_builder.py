"""Assembling: columns become objects, by functions that are compiled for their keys."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

Builder: TypeAlias = Callable[..., list[dict[str, Any]]]

MOST_KEYS: Final = 20_000
"""Of all functions that are kept, each key about 200 bytes of memory; when there are more, all begin anew."""
_builders: Final[dict[tuple[str, ...], Builder]] = {}


def builder(keys: tuple[str, ...]) -> Builder:
    """A function from columns to objects: `builder(("id", "name"))(ids, names)`.

    Compiled, because zipping columns into dict displays is several times faster than any loop over
    keys. The keys are GraphQL names, letters, digits and underscores, so that nothing can be
    injected; they are quoted all the same.
    """
    if not keys:
        return list
    found = _builders.get(keys)
    if found is None:
        if sum(map(len, _builders)) + len(keys) > MOST_KEYS:
            _builders.clear()
        names = [f"v{place}" for place in range(len(keys))]
        display = ", ".join(f"{key!r}: {name}" for key, name in zip(keys, names, strict=True))
        columns = ", ".join(f"c{place}" for place in range(len(keys)))
        source = f"lambda {columns}: [{{{display}}} for {', '.join(names)}, in zip({columns})]"
        found = _builders[keys] = cast("Builder", eval(source))  # noqa: S307 - see above
    return found
