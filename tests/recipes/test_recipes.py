"""Each recipe of docs/recipes.md works as it stands: applied by the letter in a scratch copy, which then passes.

The short form applies the recipes to two copies, whose checks run at the same time. `RECIPES=each` gives each recipe a
copy of its own.
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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
GROUPS = {"others": [title for title in EXPECTED_TITLES if title != "A role"], "role": ["A role"]}
"""Two copies, because the field and the role each add the next migration."""

CHECKS = """
make check
make test ARGS="tests/schema tests/auth tests/i18n tests/mailer/test_languages.py tests/mailer/test_render.py \\
    tests/commands/test_operator.py tests/test_settings.py tests/models/scheduled tests/models/accounts"
"""


@contextmanager
def copied_tree() -> Generator[Path]:
    """A copy of the repository. As root, PostgreSQL runs as another user, who must be able to read it."""
    copy = Path(tempfile.mkdtemp(prefix="fullmakt-recipes-"))
    copy.chmod(0o755)
    recipe.scratch_copy(copy)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def tree() -> Iterator[Path]:
    """A copy of the repository for this test alone."""
    with copied_tree() as copy:
        yield copy


def apply_and_check(titles: Sequence[str]) -> None:
    """Apply recipes to a copy of the repository, and run its checks."""
    with copied_tree() as copy:
        for page_recipe in RECIPES:
            if page_recipe.title in titles:
                page_recipe.apply(copy)
        recipe.run(copy, CHECKS)


@pytest.fixture(scope="module")
def checks() -> Iterator[Mapping[str, Future[None]]]:
    """The checks of each group. They run at the same time, because most of them use one core."""
    with ThreadPoolExecutor(len(GROUPS)) as executor:
        yield {group: executor.submit(apply_and_check, titles) for group, titles in GROUPS.items()}


def test_page_has_each_recipe() -> None:
    assert [page_recipe.title for page_recipe in RECIPES] == EXPECTED_TITLES


@pytest.mark.parametrize("group", GROUPS)
def test_recipes_together_pass_the_checks(checks: Mapping[str, Future[None]], group: str) -> None:
    checks[group].result()


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
