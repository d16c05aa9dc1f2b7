"""The workspace: contacts and products of an account, and the documents that it issues. A module: see modules.py."""

from typing import Final

from modules import Module

MODULE: Final = Module(
    name="workspace",
    ids={
        "Contact": "c",
        "Product": "p",
        "Document": "d",
        "DocumentLine": "l",
        "DocumentPayment": "dp",
        "DocumentDelivery": "dd",
        "Expense": "x",
        "Export": "xp",
    },
    tables="workspace.tables",
    graph="workspace.graph",
    samples="workspace.samples",
)
"""The registration. The permissions of the workspace are among those of the contract, in auth/policy.py."""
