import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "-m babel.messages.frontend -q extract -F i18n/babel.cfg -k mark -k translate_plural:2,3 --omit-header"


def texts(path: Path) -> set[str]:
    with path.open("rb") as file:
        return {str(found.id) for found in read_po(file) if found.id}


def test_every_marked_text_is_in_the_list_for_translators(tmp_path: Path) -> None:
    found = tmp_path / "messages.pot"

    subprocess.run([sys.executable, *COMMAND.split(), "-o", found, "."], cwd=ROOT, check=True)

    listed = texts(ROOT / "i18n" / "messages.pot")
    assert texts(found) - listed == set(), "run `make messages`"
    assert listed - texts(found) == set(), "run `make messages`"


def test_subjects_errors_roles_and_templates_are_among_them() -> None:
    listed = texts(ROOT / "i18n" / "messages.pot")

    assert {
        "%(inviter_name)s invites you to %(account_name)s",
        "This link has expired.",
        "Accountant",
        "Your role there would be: %(role)s.",
    } <= listed
