"""Builders of objects."""

from executor.object_builder import builder


def test_builder_builds_objects_from_columns() -> None:
    assert builder(("a", "__b"))([1, 2], ["x", "y"]) == [{"a": 1, "__b": "x"}, {"a": 2, "__b": "y"}]
    assert builder(("a",))([1]) == [{"a": 1}]
    assert builder(())() == []
