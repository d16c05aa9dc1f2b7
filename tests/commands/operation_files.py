"""GraphQL texts and files of a client for tests of persisted operations."""

from hashlib import md5, sha256
from pathlib import Path

import orjson

ROLES_QUERY = "query Roles { roles { role } }\n"
NAMED_QUERY = "query Named {\n  roles { ...Shown }\n}\n"
SHOWN_FRAGMENT = "fragment Shown on RoleDefinition { ...Name }\n"
NAME_FRAGMENTS = "# of a role\nfragment Name on RoleDefinition { name }\nfragment Other on RoleDefinition { role }\n"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def relay_id(text: str) -> str:
    """Return the id that the Relay compiler would create."""
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def files(folder: Path, **contents: str | bytes | object) -> list[Path]:
    """Write files. In the names `_` stands for the dot."""
    paths: list[Path] = []
    for name, content in contents.items():
        path = folder / name.replace("_", ".")
        text = content.encode() if isinstance(content, str) else content
        path.write_bytes(text if isinstance(text, bytes) else orjson.dumps(text))
        paths.append(path)
    return paths
