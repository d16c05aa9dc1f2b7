"""The database schema of the product."""

import importlib
import pkgutil

from tortoise.models import Model

import models
from models.tables import SCHEMA


def test_each_module_that_defines_a_table_is_in_the_schema() -> None:
    for module in pkgutil.walk_packages(models.__path__, "models."):
        if not module.name.startswith("models.migrations."):
            importlib.import_module(module.name)

    assert {table.__module__ for table in Model.__subclasses__()} == {*SCHEMA.modules}
