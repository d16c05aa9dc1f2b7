"""Building objects from columns, with functions that are compiled for the keys."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

Builder: TypeAlias = Callable[..., list[dict[str, Any]]]

MAX_KEYS: Final = 20_000
"""Maximum of keys of all cached functions, about 200 bytes of memory each. Beyond it, the cache is cleared."""
_builders: Final[dict[tuple[str, ...], Builder]] = {}


def builder(keys: tuple[str, ...]) -> Builder:
    """A function from columns to objects: `builder(("id", "name"))(ids, names)`.

    Compiled, because zipping columns into dict displays is several times faster than a loop over keys. The keys are
    GraphQL names (letters, digits and underscores), so nothing can be injected. They are quoted nevertheless.
    """
    if not keys:
        return list
    function = _builders.get(keys)
    if function is None:
        if sum(map(len, _builders)) + len(keys) > MAX_KEYS:
            _builders.clear()
        names = [f"v{number}" for number in range(len(keys))]
        display = ", ".join(f"{key!r}: {name}" for key, name in zip(keys, names, strict=True))
        columns = ", ".join(f"c{number}" for number in range(len(keys)))
        source = f"lambda {columns}: [{{{display}}} for {', '.join(names)}, in zip({columns})]"
        function = _builders[keys] = cast("Builder", eval(source))  # noqa: S307 - see above
    return function
