import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "-m babel.messages.frontend -q extract -F i18n/babel.cfg -k mark -k translate_plural:2,3 --omit-header"


def texts(path: Path) -> set[str]:
    with path.open("rb") as file:
        return {str(message.id) for message in read_po(file) if message.id}


def test_every_marked_text_is_in_messages_pot(tmp_path: Path) -> None:
    extracted_file = tmp_path / "messages.pot"

    subprocess.run([sys.executable, *COMMAND.split(), "-o", extracted_file, "."], cwd=ROOT, check=True)

    listed_texts = texts(ROOT / "i18n" / "messages.pot")
    assert texts(extracted_file) - listed_texts == set(), "run `make messages`"
    assert listed_texts - texts(extracted_file) == set(), "run `make messages`"


def test_messages_pot_has_subjects_errors_roles_and_templates() -> None:
    listed_texts = texts(ROOT / "i18n" / "messages.pot")

    assert {
        "%(sender_email)s invites you to “%(account_name)s”",
        "This link has expired.",
        "Accountant",
        "Your role there would be: %(role)s.",
    } <= listed_texts
