"""Message kinds: each is complete."""

import pytest

from mailer import render
from models.outbox.message_kind import Lane, MailLimit, MessageKind


@pytest.mark.parametrize("kind", MessageKind)
def test_kind_has_a_subject_and_two_templates(kind: MessageKind) -> None:
    assert kind.subject
    assert {path.name for path in (render.TEMPLATES / kind).iterdir()} == {"body.html", "text.txt"}


def test_every_template_folder_belongs_to_a_kind() -> None:
    assert {path.name for path in render.TEMPLATES.iterdir() if path.is_dir()} == {
        *MessageKind,
        "mailbox",
        "unsubscribe",
    }


def test_mails_about_the_own_login_have_the_security_lane() -> None:
    """The subject of a mail about an account, which another user may cause, names the account or the user."""
    login_kinds = {kind for kind in MessageKind if kind.limit is MailLimit.OPERATION and "%(" not in kind.subject}

    assert {kind for kind in MessageKind if kind.lane is Lane.SECURITY} == login_kinds
