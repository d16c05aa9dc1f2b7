"""The migrations of the database schema, one module each, in hand-written SQL.

Tortoise applies the migrations in order and records them. Its generated operations are not used, because they silently
omit CHECK constraints, partial unique indexes and triggers.
"""
