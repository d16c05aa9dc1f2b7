"""A module of a host product, as small as can be: a table of notes. tests/test_modules.py installs it."""

from modules import Module, ModulePermission

MODULE = Module(
    name="sample",
    permissions=(
        ModulePermission("NOTES_READ", bit=40, roles="OAK", description="See notes."),
        ModulePermission("NOTES_WRITE", bit=41, roles="OA", description="Write notes."),
    ),
    ids={"Note": "note"},
    tables="tests.sample_module.tables",
    graph="tests.sample_module.graph",
)
