"""The database schema of the product."""

import importlib
import pkgutil

from tortoise.models import Model

import models
import workspace
from models.tables import SCHEMA


def test_each_module_that_defines_a_table_is_in_the_schema() -> None:
    for package in (models, workspace):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)

    assert {table.__module__ for table in Model.__subclasses__()} == {
        name for part in SCHEMA.all_parts for name in part.modules
    }
