"""Pages of documentation agree with the code that they describe."""

import ast
import re
from pathlib import Path

import cli
import settings

ROOT = Path(__file__).resolve().parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text()
DECISIONS = ROOT / "docs" / "decisions"
BOUNDARIES = {
    "auth/passkeys.py",
    "database/coalescing.py",
    "executor/compile.py",
    "executor/reference.py",
    "executor/run.py",
    "executor/source.py",
    "executor/values.py",
    "mailer/worker.py",
    "models/live/hub.py",
    "server/endpoint.py",
    "server/socket.py",
    "server/stream.py",
}
"""The modules that may catch every exception.

They answer a request, run a job, put an error at its field, or read malformed bytes.
"""


def test_table_of_settings_has_each_setting_once() -> None:
    rows = re.findall(r"^\| (`FULLMAKT_[^|]*) \|", OPERATING, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"FULLMAKT_\w+", row)]

    assert sorted(names) == sorted(settings.VARIABLES)


def test_list_of_commands_has_each_command() -> None:
    listed = re.findall(r"^    fullmakt ([a-z-]+)", OPERATING.split("## Settings")[0], re.MULTILINE)

    assert sorted(listed) == sorted(cli.fullmakt.commands)


def test_each_decision_has_a_status_and_is_in_the_index() -> None:
    index = (DECISIONS / "README.md").read_text()
    pages = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")

    assert len(pages) > 30
    for page in pages:
        title, status = re.match(r"# (\d+\. .+)\n\n(Status: .+)\n", page.read_text()).groups()  # type: ignore[union-attr]
        assert int(title.split(".")[0]) == int(page.name[:4])
        assert re.fullmatch(r"Status: (accepted|superseded by \d+)\. Date: 20\d\d-\d\d-\d\d\.", status), page.name
        assert f"]({page.name})" in index, page.name


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def test_links_between_pages_lead_to_files() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", without_code(page.read_text()))
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_files_that_decisions_refer_to_exist() -> None:
    missing = [
        f"{page.name}: {name}"
        for page in sorted(DECISIONS.glob("*.md"))
        for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|md|txt|graphql))`", page.read_text())
        if "NNNN" not in name and not (ROOT / name).exists()
    ]

    assert missing == []


def test_only_boundaries_catch_every_exception_and_each_has_a_reason() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    paths = [path for folder in sorted(folders) for path in (ROOT / folder).glob("**/*.py")] + [*ROOT.glob("*.py")]
    places: list[tuple[str, str]] = []
    for path in paths:
        lines = path.read_text().splitlines()
        places.extend(
            (path.relative_to(ROOT).as_posix(), lines[node.lineno - 1])
            for node in ast.walk(ast.parse("\n".join(lines)))
            if isinstance(node, ast.ExceptHandler) and node.type and ast.unparse(node.type) == "Exception"
        )

    assert {name for name, _ in places} == BOUNDARIES
    assert [name for name, line in places if not re.search(r"# noqa: BLE001 - \w", line)] == []
