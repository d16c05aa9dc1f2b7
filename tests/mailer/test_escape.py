import re

import pytest

from mailer import escape
from mailer.escape import HAIR_SPACE

# Matches everything that mail programs turn into links, and more.
LINK_PATTERN = re.compile(
    r"(https?:|ftp:|www\.|//)\S|\w[.\u3002\uff0e\uff61][^\W\d_]{2,}|(\d+\.){3}\d|\bxn--", re.IGNORECASE
)


@pytest.mark.parametrize(
    "name",
    [
        "www.evil.example",
        "http://evil.example/path?x=1",
        "HTTPS://EVIL.EXAMPLE",
        "https:\\\\evil.example",
        "//evil.example/path",
        "evil.example",
        "evil\u3002example",
        "evil\uff0eexample",
        "e\u200bvil.ex\u200dample",
        "support@evil.example",
        "http://10.0.0.1/x",
        "192.168.100.10",
        "bücher.example",
        "Pay (evil.example) now",
        "Firma,evil.example",
        "www.\nevil.example",
    ],
)
def test_address_like_words_do_not_become_links(name: str) -> None:
    assert not LINK_PATTERN.search(escape.line(name))


@pytest.mark.parametrize("name", ["mailto:a@b", "tel:+48123456789", "javascript:alert(1)"])
def test_scheme_is_separated_from_its_target(name: str) -> None:
    scheme, target = name.split(":")

    assert escape.line(name) == f"{scheme}:{HAIR_SPACE}{target}"


@pytest.mark.parametrize(
    "name",
    [
        "Kowalski Sp. z o.o.",
        "Anna Łącka-Ødegård",
        "J. R. R. Tolkien",
        "50/50",
        "Note: paid",
        "Müller & Söhne",
        "10.5 %",
    ],
)
def test_ordinary_names_are_unchanged(name: str) -> None:
    assert escape.line(name) == name


@pytest.mark.parametrize(
    ("name", "escaped_name"),
    [
        ("Anna\r\nBcc: all@example", "Anna Bcc: all@example"),
        ("Anna\x00\x1b[31m", "Anna [31m"),
        ("A\u2028B\u2029C\u0085D", "A B C D"),
        ("\u202egnp.exe\u2066", "gnp." + HAIR_SPACE + "exe"),
        ("  a \t b  ", "a b"),
    ],
)
def test_line_breaks_and_invisible_characters_are_removed(name: str, escaped_name: str) -> None:
    assert escape.line(name) == escaped_name


def test_prose_keeps_line_breaks() -> None:
    assert escape.prose("Hi Anna,\n\nsee evil.example\u202e\r\nBo") == f"Hi Anna,\n\nsee evil.{HAIR_SPACE}example\nBo"
