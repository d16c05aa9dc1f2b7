"""Time sheets: the time that users of an account work, by project. A module of a host product."""

from modules import Module, ModulePermission

MODULE = Module(
    name="timesheets",
    permissions=(
        ModulePermission("TIMESHEETS_READ", bit=44, roles="OACKNS", description="See time sheets."),
        ModulePermission(
            "TIMESHEETS_READ_ALL", bit=45, roles="OACKN", description="See the time sheets of other users too."
        ),
        ModulePermission("TIMESHEETS_WRITE", bit=46, roles="OACKNS", description="Enter and change time sheets."),
    ),
    ids={"TimeEntry": "time"},
    tables="timesheets.tables",
    graph="timesheets.graph",
    samples="timesheets.samples",
)
"""The registration."""
