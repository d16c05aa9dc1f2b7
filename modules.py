"""Modules: Python packages that add their own types to the product, without a change in any file of the product.

    FULLMAKT_MODULES=shop.fullmakt,lending      names the packages; each has a `MODULE`
    FULLMAKT_WORKSPACE=off                      leaves the types of the workspace out of the graph

The workspace (contacts, products, documents) is registered in the same way, and through nothing else. A `Module` has
light facts, because the lowest rooms read them while they are imported, and the names of Python modules:

    tables  SCHEMA (a DatabaseSchema, with migrations of its own), and if there are any: EVENT_TYPES (enums of event
            types), PERSONAL_DATA and IMPERSONAL_TABLES (as in models/privacy/personal_data.py), JOBS (run every minute,
            as in models/scheduled/jobs.py), STEPS (jobs that do one part of the work that waits, and return 0 if none
            waits: each runs again and again, in a loop of its own), and ATTACHMENTS (models/outbox/attachment.py)
    graph   if there are any: QUERY, MUTATION and ACCOUNT (classes whose fields join those types), TYPES (object types),
            LOADERS (how `node` reads each type), ROW_RIGHTS (the rights function of each row class), and ROUTES, a
            function `(config, clock)` that returns the HTTP routes besides /graphql
    samples if there are any: DEMO, an async function `(caller, account_id)` that writes the demo data of one account
            once, and SEED, `(caller, account_id, rows, progress)`, that writes the rows of `fullmakt seed account`

Each field of a module names its rule. The checks of the schema, the permission matrix, the costs and the tests of lists
find the parts by themselves, because they read the schema and the lists of the product, which have them.

A permission of a module has a fixed bit, because grants store bits. So stored grants keep their meaning when modules
come and go. The 24 permissions of the contract stay in auth/policy.py, even those that only the workspace uses: stored
grants refer to them, and a workspace that is switched off must not shift the bits of others.

The storage of a module stays known while its graph is left out: its tables are migrated, exported and erased.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeVar

MODULES_VARIABLE: Final = "FULLMAKT_MODULES"
WORKSPACE_VARIABLE: Final = "FULLMAKT_WORKSPACE"
WORKSPACE: Final = "workspace"
BITS: Final = range(32, 59)
"""The bits that permissions of modules can have. Those below are for the product, those above mark rights of fields."""
PREFIX_FORM: Final = re.compile("[a-z]{1,8}")
NAME_FORM: Final = re.compile("[a-z][a-z0-9_]{0,39}")
PERMISSION_FORM: Final = re.compile("[A-Z]+(_[A-Z]+)+")
K = TypeVar("K")
V = TypeVar("V")
ROLE_LETTERS: Final = "OACKNS"
"""The letters of the roles, in the order of the permission table in auth/policy.py."""


class InvalidModule(Exception):
    """A module cannot be registered. The text names the module and the reason."""


@dataclass(frozen=True, slots=True)
class ModulePermission:
    """A permission that a module adds.

    `name` is `<SUBJECT>_<ACTION>`. The subject is one word, and each permission of a subject requires `<SUBJECT>_READ`.
    `bit` is one of BITS, and never changes. `roles` has the letters of the roles that can have the permission at most,
    such as "OACKS": the owner is one of them. `description` is for the users who grant it.
    """

    name: str
    bit: int
    roles: str
    description: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module. Its `name` is the label of its migrations, and of nothing else.

    `ids` has the prefix of the global ids of each type: one to eight lower-case letters that no other type has.
    `tables`, `graph` and `samples` name Python modules, as the docstring of this file says.
    """

    name: str
    permissions: tuple[ModulePermission, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    tables: str | None = None
    graph: str | None = None
    samples: str | None = None


@cache
def all_modules() -> tuple[Module, ...]:
    """The modules of this installation: the workspace, and those that FULLMAKT_MODULES names.

    Raises InvalidModule.
    """
    names = [name.strip() for name in os.environ.get(MODULES_VARIABLE, "").split(",")]
    modules = tuple(_load(name) for name in (WORKSPACE, *filter(None, names)))
    _check(modules)
    return modules


@cache
def with_graph() -> tuple[Module, ...]:
    """The installed modules whose types are in the graph."""
    is_off = os.environ.get(WORKSPACE_VARIABLE) == "off"
    return tuple(module for module in all_modules() if not (is_off and module.name == WORKSPACE))


def table_parts(name: str) -> Iterator[Any]:
    """The attribute `name` of the Python module `tables` of each module that has it. Raises InvalidModule."""
    return _parts("tables", [(module.name, module.tables) for module in all_modules()], name)


def graph_parts(name: str) -> Iterator[Any]:
    """The attribute `name` of the Python module `graph` of each module that has it. Raises InvalidModule."""
    return _parts("graph", [(module.name, module.graph) for module in with_graph()], name)


def sample_parts(name: str) -> Iterator[Any]:
    """The attribute `name` of the Python module `samples` of each module with a graph. Raises InvalidModule."""
    return _parts("samples", [(module.name, module.samples) for module in with_graph()], name)


def join(kind: str, *parts: Mapping[K, V]) -> dict[K, V]:
    """The entries of the product and of its modules. Raises InvalidModule for a key that stands in two parts."""
    entries: dict[K, V] = {}
    for part in parts:
        for key, value in part.items():
            if key in entries:
                raise InvalidModule(f"Two {kind} have the same name: {key}.")
            entries[key] = value
    return entries


def _parts(kind: str, paths: list[tuple[str, str | None]], name: str) -> Iterator[Any]:
    for module_name, path in paths:
        if path is None:
            continue
        try:
            python_module = import_module(path)
        except ModuleNotFoundError as error:
            raise InvalidModule(
                f"{module_name}: the Python module {path} of `{kind}` cannot be imported: {error}."
            ) from error
        part = getattr(python_module, name, None)
        if part is not None:
            yield part


def _load(package: str) -> Module:
    try:
        module: object = getattr(import_module(package), "MODULE", None)
    except ModuleNotFoundError as error:
        raise InvalidModule(f"{MODULES_VARIABLE} names {package}, which cannot be imported: {error}.") from error
    if not isinstance(module, Module):
        raise InvalidModule(f"{package} has no MODULE of the class modules.Module.")
    return module


def _check(modules: tuple[Module, ...]) -> None:
    """Raise InvalidModule for a malformed fact, or one that two modules share."""
    permissions = [(module.name, permission) for module in modules for permission in module.permissions]
    prefixes = [(module.name, prefix) for module in modules for prefix in module.ids.values()]
    for name, permission in permissions:
        _check_permission(name, permission)
    for name, prefix in prefixes:
        if not PREFIX_FORM.fullmatch(prefix):
            raise InvalidModule(f"{name}: {prefix!r} is no prefix of ids.")
    for module in modules:
        if not NAME_FORM.fullmatch(module.name):
            raise InvalidModule(f"{module.name!r} is no name of a module.")
    facts: dict[str, list[object]] = {
        "name": [module.name for module in modules],
        "bit": [permission.bit for _, permission in permissions],
        "permission": [permission.name for _, permission in permissions],
        "prefix of ids": [prefix for _, prefix in prefixes],
        "type": [name for module in modules for name in module.ids],
    }
    for kind, values in facts.items():
        if len({*values}) < len(values):
            raise InvalidModule(f"Two modules have the same {kind}: {', '.join(map(str, values))}.")


def _check_permission(name: str, permission: ModulePermission) -> None:
    """Raise InvalidModule for a malformed permission of the module `name`."""
    if permission.bit not in BITS:
        raise InvalidModule(f"{name}: {permission.name} has the bit {permission.bit}, which is not in {BITS}.")
    if not PERMISSION_FORM.fullmatch(permission.name):
        raise InvalidModule(f"{name}: {permission.name!r} is no name of a permission, such as NOTES_READ.")
    if "O" not in permission.roles or not {*permission.roles} <= {*ROLE_LETTERS}:
        raise InvalidModule(
            f"{name}: the roles of {permission.name} are letters of {ROLE_LETTERS}, with O for the owner."
        )
