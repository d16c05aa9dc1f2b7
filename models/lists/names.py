"""Searches for names, and orders by name in the alphabet of the viewer's language.

PostgreSQL computes `search_key` and `name_key` of each row when it is written, by functions whose result does not
depend on the locale of the database: `models/migrations/0025_client_lists.py`.
"""

import unicodedata
from functools import cache
from typing import Any, Final

from database.listing import ConnectionQuery
from models.base.validation import MAX_NAME, normalize

_BASE: Final = "abcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = "ąćęłńóśźżåäöæøü"
_FIRST_MARK: Final = 0xE000
_FIRST_PLACE: Final = 0x100
_GAP: Final = 4
"""In a name key, the letters a to z are the characters from _FIRST_PLACE on, each _GAP after the former one. Those of
_LETTERS are the characters from _FIRST_MARK on."""
# Behind which letter a language sorts its own letters. All others sort like their base letter.
_OWN_LETTERS: Final = {
    "pl": ("aą", "cć", "eę", "lł", "nń", "oó", "sś", "zźż"),
    "sv": ("zåäö",),
    "nb": ("zæøå",),
}
_SAME_LETTERS: Final = {"sv": {"æ": "ä", "ø": "ö", "ü": "y"}, "nb": {"ä": "æ", "ö": "ø", "ü": "y"}}
_BASE_LETTERS: Final = {"ł": "l", "ø": "o", "æ": "a"}  # These have no decomposition.


def search(query: ConnectionQuery[Any], key: str, text: str) -> None:
    """Keep the rows whose search key has each word of `text`, in any order. `key` is the SQL of the search key.

    Case and accents do not count, nor do the separators of a number. A text without words keeps all rows.
    """
    if words := search_text(text):
        # A subquery is evaluated once for all rows.
        query.where(f"{key} LIKE ALL ((SELECT search_patterns({{}}))::text[])", words)


def search_text(text: str) -> str:
    """The part of a text that counts in a search. The database takes long to normalize an unlimited one."""
    return normalize(text, MAX_NAME)[:MAX_NAME].strip()


@cache
def sort_key(alias: str, locale: str) -> tuple[str, str]:
    """The sort key of the name of `alias`, a table, for a viewer with this language, and its type.

    Names that differ in case or in an accent alone are sorted by their characters.
    """
    places = _places(locale)
    marks = "".join(chr(_FIRST_MARK + index) for index in range(len(_LETTERS)))
    key = f"{alias}.name_key"
    if locale == "nb":  # In old spellings å is aa.
        key = f"replace({key}, '{places['a'] * 2}', '{places['å']}')"
    elif locale != "sv":
        key = f"replace({key}, '{marks[_LETTERS.index('æ')]}', '{places['a']}{places['e']}')"
    alphabet = "".join(places[letter] for letter in _LETTERS)
    return f"(translate({key}, '{marks}', '{alphabet}') || E'\\x01' || {alias}.name)", "text"


def _places(locale: str) -> dict[str, str]:
    """The character that stands for each letter in the alphabet of a language."""
    places = {letter: chr(_FIRST_PLACE + _GAP * index) for index, letter in enumerate(_BASE)}
    for letters in _OWN_LETTERS.get(locale, ()):
        places |= {letter: chr(ord(places[letters[0]]) + index) for index, letter in enumerate(letters)}
    for letter in _LETTERS:
        if letter not in places:
            base = unicodedata.normalize("NFD", letter)[0]
            same_letter = _SAME_LETTERS.get(locale, {}).get(letter) or _BASE_LETTERS.get(base, base)
            places[letter] = places[same_letter]
    return places
