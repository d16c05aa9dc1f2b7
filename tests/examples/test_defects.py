"""Defects of a host's module: each is refused with a text that names it. The copies of the example have one defect."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.copies import PACKAGE, copy_example, edit, run_command

CONTRACTION = '''"""Drop the day of the work."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration


class Migration(TortoiseMigration):
    """Drop the column."""

    dependencies = [("timesheets", "0001_time_entries")]
    operations = [ops.RunSQL("ALTER TABLE time_entries DROP COLUMN worked_on", reverse_sql="SELECT 1")]
'''


def break_rule_of_field(package: Path) -> None:
    edit(package / "graph.py", "        needs(READ),\n        batch=of_accounts,", "        batch=of_accounts,")


def break_rule_of_type(package: Path) -> None:
    edit(package / "graph.py", "    needs(READ),\n    of_time_entries,", "    None,\n    of_time_entries,")


def break_description_of_field(package: Path) -> None:
    edit(package / "graph.py", 'project: str = field(description="The name of the project.")', "project: str = field()")


def break_column(package: Path) -> None:
    edit(package / "graph.py", "    minutes: int = field(", "    hours: int = field(")


def break_input(package: Path) -> None:
    edit(package / "graph.py", "    worked_on: date | None = input_field(_WORKED_ON)\n", "")


def break_rights_on_rows(package: Path) -> None:
    edit(package / "graph.py", "{TimeEntryRow: of_time_entries}", "{}")


def break_loader(package: Path) -> None:
    edit(package / "graph.py", '{"TimeEntry": by_ids}', "{}")


def break_prefix(package: Path) -> None:
    edit(package / "__init__.py", '"TimeEntry": "time"', "")


def use_prefix_of_another_module(package: Path) -> None:
    edit(package / "__init__.py", '"TimeEntry": "time"', '"TimeEntry": "c"')


def use_prefix_of_the_product(package: Path) -> None:
    edit(package / "__init__.py", '"TimeEntry": "time"', '"TimeEntry": "u"')


def use_type_of_the_product(package: Path) -> None:
    edit(package / "__init__.py", '"TimeEntry": "time"', '"User": "time"')


def use_bit_twice(package: Path) -> None:
    edit(package / "__init__.py", "bit=45", "bit=44")


def use_bit_of_the_product(package: Path) -> None:
    edit(package / "__init__.py", "bit=45", "bit=9")


def forget_the_owner(package: Path) -> None:
    edit(package / "__init__.py", 'roles="OACKN"', 'roles="ACKN"')


def use_unknown_role(package: Path) -> None:
    edit(package / "__init__.py", 'roles="OACKN"', 'roles="OACKX"')


def use_name_of_the_product(package: Path) -> None:
    edit(package / "__init__.py", '"TIMESHEETS_READ_ALL", bit', '"DOCUMENTS_READ_ALL", bit')


def lose_graph(package: Path) -> None:
    (package / "graph.py").unlink()


def lose_tables(package: Path) -> None:
    (package / "tables.py").unlink()


def break_description_of_event(package: Path) -> None:
    edit(package / "event_type.py", '"A time entry was deleted.", ', "")


def repeat_event_type(package: Path) -> None:
    edit(package / "event_type.py", '"account:time-entry:delete"', '"account:grant:give"')


def drop_column(package: Path) -> None:
    _ = (package / "migrations" / "0002_without_days.py").write_text(CONTRACTION)


def hide_table(package: Path) -> None:
    path = package / "tables.py"
    text = path.read_text()
    _ = path.write_text(text[: text.index("PERSONAL_DATA: Final")])


def declare_table_as_impersonal(package: Path) -> None:
    hide_table(package)
    path = package / "tables.py"
    _ = path.write_text(path.read_text() + 'IMPERSONAL_TABLES: Final = {"time_entries": "minutes"}\n')


AT_START = [
    (break_rule_of_field, "timesheets.graph: time_entries declares no rule."),
    (break_rule_of_type, "TimeEntry.id declares no rule."),
    (break_description_of_field, "MissingDescription: TimeEntry.project has no description."),
    (break_column, "MissingColumn: TimeEntry.hours"),
    (break_input, "UnfitInput: updateTimeEntry: the input has ['minutes', 'project', 'time_entry_id']"),
    (break_rights_on_rows, "timesheets.graph: the type TimeEntry has no row class in ROW_RIGHTS."),
    (break_loader, "timesheets.graph: the type TimeEntry has no loader in LOADERS."),
    (break_prefix, "timesheets.graph: the type TimeEntry has no prefix of ids in MODULE."),
    (use_prefix_of_another_module, "Two modules have the same prefix of ids: c,"),
    (use_prefix_of_the_product, "timesheets: the product has the type TimeEntry, or the prefix of ids u, already."),
    (use_type_of_the_product, "timesheets: the product has the type User, or the prefix of ids time, already."),
    (use_bit_twice, "Two modules have the same bit: 44, 44, 46."),
    (use_bit_of_the_product, "timesheets: TIMESHEETS_READ_ALL has the bit 9, which is not in range(32, 59)."),
    (forget_the_owner, "timesheets: the roles of TIMESHEETS_READ_ALL are letters of OACKNS, with O for the owner."),
    (use_unknown_role, "timesheets: the roles of TIMESHEETS_READ_ALL are letters of OACKNS, with O for the owner."),
    (use_name_of_the_product, "The product has the permission DOCUMENTS_READ_ALL already."),
    (lose_graph, "timesheets: the Python module timesheets.graph of `graph` cannot be imported"),
    (lose_tables, "timesheets: the Python module timesheets.tables of `tables` cannot be imported"),
    (break_description_of_event, "TimesheetEventType.ENTRY_DELETE: the type of event has no description."),
    (repeat_event_type, "Two event types are account:grant:give."),
    (drop_column, "timesheets: the migration 0002_without_days drops, renames or requires something"),
]
"""Defects that `fullmakt modules` reports before it connects to the database, each with a part of its text."""

IN_THE_DATABASE = [
    (hide_table, "The table time_entries is neither in PERSONAL_DATA nor in IMPERSONAL_TABLES"),
    (declare_table_as_impersonal, "time_entries.created_by_id has ids of users, but is in no identifying_columns"),
]
"""Defects that it finds in a database with all migrations."""


@pytest.mark.parametrize(("damage", "text"), AT_START, ids=[damage.__name__ for damage, _ in AT_START])
def test_defect_is_named(tmp_path: Path, damage: Callable[[Path], None], text: str) -> None:
    folder = copy_example(tmp_path)
    damage(folder / PACKAGE)

    process = run_command(folder, "postgresql://no-such-host/none", "modules", FULLMAKT_WORKSPACE="off")

    assert process.returncode in {1, 2}
    assert text in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(("damage", "text"), IN_THE_DATABASE, ids=[damage.__name__ for damage, _ in IN_THE_DATABASE])
async def test_table_with_ids_of_users_is_named_if_it_is_not_declared(
    tmp_path: Path, database_url: str, damage: Callable[[Path], None], text: str
) -> None:
    folder = copy_example(tmp_path)
    damage(folder / PACKAGE)
    migration = run_command(folder, database_url, "migrate")

    check = run_command(folder, database_url, "modules")

    assert migration.returncode == 0, migration.stderr
    assert check.returncode == 1
    assert text in check.stderr
