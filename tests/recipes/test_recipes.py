"""Each recipe of docs/recipes.md works as it stands: applied by the letter in a scratch copy, which then passes.

The short form applies all recipes to one copy. `RECIPES=each` gives each recipe a copy of its own.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recipes import recipe
from tests.recipes.recipe import Recipe, StepError

RECIPES = list(recipe.recipes())
EXPECTED_TITLES = [
    "A field",
    "A mutation",
    "A permission",
    "A role",
    "A mail",
    "A setting",
    "A periodic job",
    "A language",
    "Without a language",
]
CHECKS = 'make check\nmake test ARGS="{folders}"\n'
FOLDERS = "tests/schema tests/auth tests/i18n tests/mailer tests/commands tests/test_settings.py tests/recipes_example"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "fullmakt"
    copy.mkdir()
    recipe.scratch_copy(copy)
    yield copy
    shutil.rmtree(copy)


def test_page_has_each_recipe() -> None:
    assert [each.title for each in RECIPES] == EXPECTED_TITLES


@pytest.mark.parametrize("has_migration", [False, True], ids=["a role", "all others"])
def test_recipes_together_pass_the_checks(tree: Path, *, has_migration: bool) -> None:
    """Two copies, because the field and the role each add the next migration."""
    for each in RECIPES:
        if (each.title == "A role") is not has_migration:
            each.apply(tree)

    recipe.run(tree, CHECKS.format(folders=FOLDERS))


@pytest.mark.skipif(os.environ.get("RECIPES") != "each", reason="the long form: RECIPES=each")
@pytest.mark.parametrize("one", RECIPES, ids=lambda one: one.title)
def test_recipe_alone_passes_all_checks(tree: Path, one: Recipe) -> None:
    one.apply(tree)

    recipe.run(tree, "make check test")


def test_step_whose_context_is_missing_is_an_error(tree: Path) -> None:
    with pytest.raises(StepError, match="0 times"):
        recipe.edit(tree, "README.md\n a line that is not there\n+more\n")


def test_command_that_fails_is_an_error(tree: Path) -> None:
    with pytest.raises(StepError, match="ended with 3"):
        recipe.run(tree, "exit 3")
