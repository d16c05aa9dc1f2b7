"""Batch resolvers of the GraphQL fields: a resolver takes all parents and returns all children, in order.

A resolver reads the context, calls one function of `models`, and returns rows. It makes no access
decisions: the field's rule guards the field, and the SQL of a connection selects the visible rows.
"""
