"""Message kinds: each is complete."""

import pytest

from mailer import render
from models.outbox.message_kind import MessageKind


@pytest.mark.parametrize("kind", MessageKind)
def test_kind_has_a_subject_and_two_templates(kind: MessageKind) -> None:
    assert kind.subject
    assert {path.name for path in (render.TEMPLATES / kind).iterdir()} == {"body.html", "text.txt"}


def test_every_template_folder_belongs_to_a_kind() -> None:
    assert {path.name for path in render.TEMPLATES.iterdir() if path.is_dir()} == {*MessageKind, "mailbox"}
