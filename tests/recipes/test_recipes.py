"""Each recipe of docs/recipes.md works as it stands: applied by the letter in a scratch copy, which then passes.

The short form applies all recipes to one copy. `RECIPES=each` gives each recipe a copy of its own.
"""

import os
import shutil
import tempfile
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
GROUPS = [[title for title in EXPECTED_TITLES if title != "A role"], ["A role"]]
"""Two copies, because the field and the role each add the next migration."""

CHECKS = """
make check
make test ARGS="tests/schema tests/auth tests/i18n tests/mailer/test_languages.py tests/mailer/test_render.py \\
    tests/commands/test_operator.py tests/test_settings.py tests/models/scheduled tests/models/accounts"
"""


@pytest.fixture
def tree() -> Iterator[Path]:
    """A copy of the repository. As root, PostgreSQL runs as another user, who must be able to read it."""
    copy = Path(tempfile.mkdtemp(prefix="fullmakt-recipes-"))
    copy.chmod(0o755)
    recipe.scratch_copy(copy)
    yield copy
    shutil.rmtree(copy)


def test_page_has_each_recipe() -> None:
    assert [page_recipe.title for page_recipe in RECIPES] == EXPECTED_TITLES


@pytest.mark.parametrize("titles", GROUPS, ids=["others", "role"])
def test_recipes_together_pass_the_checks(tree: Path, titles: list[str]) -> None:
    for page_recipe in RECIPES:
        if page_recipe.title in titles:
            page_recipe.apply(tree)

    recipe.run(tree, CHECKS)


@pytest.mark.skipif(os.environ.get("RECIPES") != "each", reason="the long form: RECIPES=each")
@pytest.mark.parametrize("page_recipe", RECIPES, ids=lambda page_recipe: page_recipe.title)
def test_recipe_alone_passes_all_checks(tree: Path, page_recipe: Recipe) -> None:
    page_recipe.apply(tree)

    recipe.run(tree, "make check test")


def test_step_whose_context_is_missing_is_an_error(tree: Path) -> None:
    with pytest.raises(StepError, match="0 times"):
        recipe.edit(tree, "README.md\n a line that is not there\n+more\n")


def test_command_that_fails_is_an_error(tree: Path) -> None:
    with pytest.raises(StepError, match="ended with 3"):
        recipe.run(tree, "exit 3")
