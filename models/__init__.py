"""Rows, their invariants, and the operations that change them: one file a noun.

An operation is a plain async function under one transaction. Whoever wants to know what can happen
to an invitation reads `models/sharing/invitation.py` and nothing else.
"""
