"""Modules: a package of a host is registered by its name, and the workspace can be left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import modules
from auth import policy
from modules import InvalidModule, Module, ModulePermission
from tests.api import Api

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, because modules are read while the product is imported."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_module_of_a_host_works_in_its_own_process() -> None:
    process = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sample_module/flow.py",
        FULLMAKT_MODULES="tests.sample_module",
    )  # fmt: skip

    assert process.returncode == 0, process.stdout


PROGRAM = """
from schema.build import build
from models.tables import SCHEMA
from resolvers import ids
types = build().type_map
print("Contact" in types, "contacts" in types["Account"].fields, "createContact" in types["Mutation"].fields)
print([part.label for part in SCHEMA.all_parts], ids.decode_any("c" + 32 * "0"))
"""


def test_workspace_that_is_off_is_not_in_the_graph_and_keeps_its_tables() -> None:
    process = run("-c", PROGRAM, FULLMAKT_WORKSPACE="off")

    assert process.stdout.splitlines() == ["False False False", "['models', 'workspace'] None"], process.stderr


def test_installation_without_modules_has_the_workspace() -> None:
    process = run("-c", PROGRAM)

    assert process.stdout.startswith("True True True\n"), process.stderr


SAMPLES = "import modules; print(*[len([*modules.sample_parts(name)]) for name in ('DEMO', 'SEED', 'OTHER')])"


def test_samples_are_those_of_modules_with_a_graph() -> None:
    """So the demo has no documents in an installation without the workspace."""
    outputs = [run("-c", SAMPLES, FULLMAKT_WORKSPACE=value).stdout for value in ("on", "off")]

    assert outputs == ["1 1 0\n", "0 0 0\n"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no_such_package", "cannot be imported"), ("json", "has no MODULE"), ("workspace", "the same name")],
)
def test_unusable_name_is_refused_at_start(name: str, reason: str) -> None:
    process = run("-c", PROGRAM, FULLMAKT_MODULES=name)

    assert process.returncode == 1
    assert "InvalidModule" in process.stderr
    assert reason in process.stderr


def permission(name: str, bit: int) -> ModulePermission:
    return ModulePermission(name, bit, "O", "Do it.")


@pytest.mark.parametrize(
    "pair",
    [
        (Module("a", permissions=(permission("A_READ", 32),)), Module("b", permissions=(permission("B_READ", 32),))),
        (Module("a", permissions=(permission("A_READ", 32),)), Module("b", permissions=(permission("A_READ", 33),))),
        (Module("a", ids={"A": "q"}), Module("b", ids={"B": "q"})),
        (Module("a", ids={"A": "q"}), Module("b", ids={"A": "r"})),
        (Module("a"), Module("a")),
    ],
)
def test_modules_that_share_a_fact_are_refused(pair: tuple[Module, Module]) -> None:
    with pytest.raises(InvalidModule, match="Two modules have the same"):
        modules._check(pair)


@pytest.mark.parametrize(
    "module",
    [
        Module("a", permissions=(permission("A_READ", 24),)),
        Module("a", permissions=(permission("A_READ", 59),)),
        Module("a", ids={"A": "A"}),
        Module("a", ids={"A": "nine_long"}),
        Module("A B"),
        Module("a", permissions=(permission("READ", 32),)),
        Module("a", permissions=(permission("a_read", 32),)),
        Module("a", permissions=(ModulePermission("A_READ", 32, "AC", "Do it."),)),
        Module("a", permissions=(ModulePermission("A_READ", 32, "OX", "Do it."),)),
    ],
)
def test_malformed_fact_is_refused(module: Module) -> None:
    with pytest.raises(InvalidModule):
        modules._check((module,))


def test_part_that_two_modules_name_is_refused() -> None:
    with pytest.raises(InvalidModule, match="Two jobs have the same name: expiry"):
        modules.join("jobs", {"expiry": 1, "trial": 2}, {"expiry": 3})
    assert modules.join("jobs", {"expiry": 1}, {}, {"notes": 2}) == {"expiry": 1, "notes": 2}


def test_letters_of_roles_are_those_of_the_permission_table() -> None:
    assert [*modules.ROLE_LETTERS] == [*policy.ROLE_LETTERS.values()]


async def test_fields_of_modules_keep_the_id_of_the_type(api: Api) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask("query ($id: ID!) { node(id: $id) { id } }", {"id": "c" + 32 * "f"}, by=anna)

    assert answer.data == {"node": None}
