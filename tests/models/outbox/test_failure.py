"""Failures of mails as users read them: codes and sentences of ours, never the text of a mail server."""

import pytest

from models.outbox import block, delivery, failure


@pytest.mark.parametrize(
    ("raw_text", "summary", "text"),
    [
        (
            "550 5.1.1 <bo@x.com> unknown",
            "550 5.1.1",
            "The mail server does not accept this address. (550 5.1.1)",
        ),
        ("550-5.7.26 spam", "550-5.7.26", "by its rules, for example as spam. (550-5.7.26)"),
        ("552 5.2.2 full", "552 5.2.2", "because it is full. (552 5.2.2)"),
        ("550 no such user", "550", "The mail server rejected the mail. (550)"),
        ("550 5.1.1x", "550", "The mail server rejected the mail. (550)"),
        ("550 4.1.1 mixed classes", "550", "The mail server rejected the mail. (550)"),
        ("550", "550", "The mail server rejected the mail. (550)"),
        ("451 4.7.1 later", "451 4.7.1", "The mail server did not accept the mail yet. (451 4.7.1)"),
        ("5501 secret", "", "The mail could not be sent."),
        ("no answer in time", "", "The mail could not be sent."),
        ("internal error", "", "The mail could not be sent."),
        ("erased", "", "The mail could not be sent."),
        (block.FAILURE, block.FAILURE, "The receiver has stopped mails of this kind."),
        (delivery.OBSOLETE, delivery.OBSOLETE, "The link no longer worked when the mail was due."),
    ],
)
def test_failure_shows_codes_and_no_text_of_the_server(raw_text: str, summary: str, text: str) -> None:
    assert failure.summary(raw_text) == summary
    assert failure.describe(raw_text, "en").endswith(text)
    assert failure.describe(summary, "en") == failure.describe(raw_text, "en")
