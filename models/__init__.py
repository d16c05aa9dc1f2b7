"""The tables, their invariants, and the operations that change them: one subject in each module.

An operation is an async function that runs in one transaction. Everything that can happen to an invitation is in
`models/sharing/invitation.py` and its neighbours.
"""
