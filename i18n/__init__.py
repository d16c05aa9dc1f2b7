"""Translations. The texts in the code are English; catalogues contain the other languages.

`mark` marks a text for extraction where it is defined. `translate` translates it where it is shown.
To add a language, copy `messages.pot` to `locales/<language>.po`. No compilation step is needed.
"""

from i18n.catalogue import (
    CATALOGUES,
    DEFAULT,
    LOCALES,
    Catalogues,
    format_instant,
    mark,
    match,
    negotiate,
    read_texts,
    translate,
    translate_plural,
)

__all__ = [
    "CATALOGUES",
    "DEFAULT",
    "LOCALES",
    "Catalogues",
    "format_instant",
    "mark",
    "match",
    "negotiate",
    "read_texts",
    "translate",
    "translate_plural",
]
