"""The storage of the sample: its table, its events, and what it tells about persons."""

from typing import Final

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from auth.rules import needs
from database import keys
from database.db import DatabaseSchema
from models.audit.event_type import EventTypeEnum, guard
from models.privacy.personal_data import PersonalData


class NoteEventType(EventTypeEnum):
    """A type of event of the sample."""

    NOTE_WRITE = "account:note:write", "A note was written.", guard(needs(Permission["NOTES_READ"]), "note text")


class Note(Model):
    """A note."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    author_id = fields.UUIDField()
    text = fields.TextField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "notes"


SCHEMA: Final = DatabaseSchema(
    label="sample",
    modules=("tests.sample_module.tables",),
    migrations="tests.sample_module.migrations",
    append_only=("notes",),
)
EVENT_TYPES: Final = NoteEventType
PERSONAL_DATA: Final = (PersonalData("notes", "notes", "t.author_id = {user}", ("author_id",), None),)
