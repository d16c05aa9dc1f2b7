"""Errors of the host's resolvers."""


class WrongLength(Exception):
    """A batch resolver did not return one result for each object."""
