"""What a host can do wrong."""


class WrongLength(Exception):
    """A batch resolver did not give one result for each object."""
