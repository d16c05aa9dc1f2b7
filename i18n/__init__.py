"""Languages: the source is English, catalogues hold the others.

Texts are marked where they are written (`mark`) and translated where they are shown (`translate`).
A new language is a file `locales/<language>.po`, started from `messages.pot`; nothing is compiled.
"""

from i18n.catalogue import (
    DEFAULT,
    LOCALES,
    OURS,
    Catalogues,
    format_instant,
    mark,
    match,
    negotiate,
    translate,
    translate_plural,
)

__all__ = [
    "DEFAULT",
    "LOCALES",
    "OURS",
    "Catalogues",
    "format_instant",
    "mark",
    "match",
    "negotiate",
    "translate",
    "translate_plural",
]
