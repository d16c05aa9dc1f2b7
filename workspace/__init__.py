"""The workspace: contacts and products of an account, and the documents that it issues. A module: see modules.py."""

from typing import Final

from modules import Module

MODULE: Final = Module(
    name="workspace",
    ids={"Contact": "c", "Product": "p", "Document": "d", "DocumentLine": "l"},
    tables="workspace.tables",
    graph="workspace.graph",
)
"""The registration. The permissions of the workspace are among those of the contract, in auth/policy.py."""
