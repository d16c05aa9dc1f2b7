"""Modules: Python packages that add their own types to the product, without a change in any file of the product.

    FULLMAKT_MODULES=shop.fullmakt,lending      names the packages; each has a `MODULE`
    FULLMAKT_WORKSPACE=off                      leaves the types of the workspace out of the graph

The workspace (contacts, products, documents) is registered in the same way, and through nothing else. A `Module` has
light facts, because the lowest rooms read them while they are imported, and the names of two Python modules:

    tables  SCHEMA (a DatabaseSchema, with migrations of its own), and if there are any: EVENT_TYPES (enums of event
            types), PERSONAL_DATA and IMPERSONAL_TABLES (as in models/privacy/personal_data.py)
    graph   if there are any: QUERY, MUTATION and ACCOUNT (classes whose fields join those types), TYPES (object types),
            LOADERS (how `node` reads each type), and ROW_RIGHTS (the rights function of each row class)

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
from typing import Any, Final

MODULES_VARIABLE: Final = "FULLMAKT_MODULES"
WORKSPACE_VARIABLE: Final = "FULLMAKT_WORKSPACE"
WORKSPACE: Final = "workspace"
BITS: Final = range(32, 59)
"""The bits that permissions of modules can have. Those below are for the product, those above mark rights of fields."""
PREFIX_FORM: Final = re.compile("[a-z]{1,8}")
NAME_FORM: Final = re.compile("[a-z][a-z0-9_]{0,39}")


class InvalidModule(Exception):
    """A module cannot be registered. The text names the module and the reason."""


@dataclass(frozen=True, slots=True)
class ModulePermission:
    """A permission that a module adds.

    `bit` is one of BITS, and never changes. `roles` has the letters of the roles that can have the permission at most,
    such as "OACKS". `description` is for the users who grant it.
    """

    name: str
    bit: int
    roles: str
    description: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module. Its `name` is the label of its migrations, and of nothing else.

    `ids` has the prefix of the global ids of each type: one to eight lower-case letters that no other type has.
    `tables` and `graph` name Python modules, as the docstring of this file says.
    """

    name: str
    permissions: tuple[ModulePermission, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    tables: str | None = None
    graph: str | None = None


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
    """The attribute `name` of the Python module `tables` of each module that has it."""
    return _parts([module.tables for module in all_modules()], name)


def graph_parts(name: str) -> Iterator[Any]:
    """The attribute `name` of the Python module `graph` of each module that has it."""
    return _parts([module.graph for module in with_graph()], name)


def _parts(paths: list[str | None], name: str) -> Iterator[Any]:
    for path in filter(None, paths):
        part = getattr(import_module(path), name, None)
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
        if permission.bit not in BITS:
            raise InvalidModule(f"{name}: {permission.name} has the bit {permission.bit}, which is not in {BITS}.")
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
    }
    for kind, values in facts.items():
        if len({*values}) < len(values):
            raise InvalidModule(f"Two modules have the same {kind}: {', '.join(map(str, values))}.")
