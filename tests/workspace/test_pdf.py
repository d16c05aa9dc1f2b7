"""The PDF of a document: its letters, its pages, and texts that try to be more than texts."""

import os
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

import i18n
from tests.workspace.content import LETTERS, content, line
from workspace import pdf, structured_invoice
from workspace.document import DocumentKind
from workspace.issued_document import Party, clean

MEMORY = Path("/proc/self/statm")
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def read(document: Any, locale: str = "en") -> PdfReader:
    return PdfReader(BytesIO(pdf.render(document, locale)))


def text_of(reader: PdfReader) -> str:
    """The text of all pages, with plain spaces and without the marks that allow a line end."""
    text = "\n".join(page.extract_text() for page in reader.pages)
    return " ".join(text.replace("\u200b", "").split())


def fonts_of(reader: PdfReader) -> dict[str, bool]:
    """The fonts of the first page, and if they are embedded."""
    fonts = {}
    for reference in reader.pages[0]["/Resources"]["/Font"].values():  # type: ignore[index]
        descendant = reference.get_object()["/DescendantFonts"][0].get_object()
        descriptor = descendant["/FontDescriptor"].get_object()
        fonts[str(descriptor["/FontName"])] = any(name in descriptor for name in ("/FontFile2", "/FontFile3"))
    return fonts


@pytest.mark.parametrize("locale", i18n.LOCALES)
def test_polish_norwegian_and_french_letters_are_embedded_and_readable(locale: str) -> None:
    seller = Party(LETTERS, "NO", "NO995525828MVA", "995525828", None)

    reader = read(content(line(description=LETTERS), seller=seller, note=LETTERS), locale)

    assert text_of(reader).count(LETTERS) >= 3
    assert set(fonts_of(reader).values()) == {True}


def test_invoice_has_all_that_a_buyer_needs() -> None:
    lines = (
        line(description="Paper", quantity=Decimal("1234.5"), unit="kg", net_amount=Decimal("10999.40"),
             discount_percent=Decimal(10)),
        line(description="Ink", vat_rate=Decimal("12.5"), net_amount=Decimal("100.00")),
    )  # fmt: skip

    text = text_of(read(content(*lines, note="Thank you\nSee you")))

    for part in (
        "Invoice", "FV2026-0001", "Nowak AS", "NO995525828MVA", "995525828", "Kunde Sp. z o.o.", "PL5260250995",
        "ul. Długa 1/2", "00-238 Warszawa", "Poland", "21 November 2026", "20 November 2026", "5 December 2026",
        "Paper", "1,234.5", "kg", "10 %", "25 %", "10,999.40", "12.5 %", "2,749.85", "12.50", "13,861.75 EUR",
        "NO93 8601 1117 947", "Thank you", "See you", "Page 1 of 1",
    ):  # fmt: skip
        assert part in text, part


def test_credit_note_names_the_invoice_and_asks_for_no_payment() -> None:
    document = content(kind=DocumentKind.CREDIT_NOTE, corrected_number="FV2026-0009", due_on=None)

    text = text_of(read(document))

    assert "Credit note" in text
    assert "FV2026-0009" in text
    assert "Amount credited: 24.75 EUR" in text
    assert "Bank account" not in text


def test_numbers_and_texts_are_those_of_the_language() -> None:
    document = content(line(net_amount=Decimal("1980.00"), unit_price=Decimal("990.00")))

    text = text_of(read(document, "pl"))

    assert "Do zapłaty: 2475,00 EUR" in text or "Do zapłaty: 2 475,00 EUR" in text
    assert "21 listopada 2026" in text


def test_amounts_have_the_decimals_of_the_currency() -> None:
    document = content(line(unit_price=Decimal(99), net_amount=Decimal(198)), currency="JPY")

    assert "Amount to pay: 248 JPY" in text_of(read(document))


def test_thousand_lines_take_numbered_pages_with_the_head_on_each() -> None:
    reader = read(content(*[line(description=f"Line {number}") for number in range(1, 1001)]))

    pages = [page.extract_text() for page in reader.pages]
    assert 15 < len(pages) < 60
    assert all(f"Page {number} of {len(pages)}" in page for number, page in enumerate(pages, start=1))
    assert sum("Description" in page for page in pages) >= len(pages) - 1
    assert "Line 1000" in "".join(pages)


@pytest.mark.parametrize(
    "text",
    [
        "#set page(width: 1pt)",
        '#read("/etc/passwd")',
        "$ sum $ *bold* _x_ `raw` @ref <label> = Heading // comment",
        "#sys.inputs \\ \\u{0}",
        "</w:t><script>alert(1)</script>",
        "%PDF-1.7 endobj (a) Tj",
    ],
)
def test_markup_in_texts_is_shown_as_it_is(text: str) -> None:
    seller = Party(text, "NO", None, None, None)

    reader = read(content(line(description=text), seller=seller, note=text))

    assert text_of(reader).replace(" ", "").count(text.replace(" ", "")) >= 3
    assert len(reader.pages) == 1


def test_long_words_stay_in_their_column() -> None:
    """A name of 200 letters without a space, and the largest numbers, leave room for all columns."""
    word = "W" * 200
    largest = line(
        description=word, unit="W" * 20, quantity=Decimal("999999999.999"), unit_price=Decimal("999999999999.123456"),
        net_amount=Decimal("999999999999.99"), discount_percent=Decimal("99.99"), vat_rate=Decimal("12.25"),
    )  # fmt: skip
    party = Party(word, "NO", word, None, "\n".join([word] * 3))

    reader = read(content(largest, seller=party, buyer=party, number=word))

    text = text_of(reader).replace(" ", "")
    assert text.count("W" * 20) >= 5
    for part in ("999,999,999.999", "999,999,999,999.123456", "99.99%", "12.25%", "999,999,999,999.99"):
        assert part in text


def test_letters_without_a_font_leave_the_document_whole() -> None:
    reader = read(content(line(description="日本語 العربية Ελλάδα Київ 🙂 \ufffe")))

    text = text_of(reader)
    assert "24.75 EUR" in text
    assert "Ελλάδα" in text


@pytest.mark.skipif(not MEMORY.exists(), reason="Linux tells the memory of a process")
def test_memory_does_not_grow_with_the_number_of_long_documents() -> None:
    """Typst keeps the layouts of eleven documents, each of 25 MB here, unless it is made to forget them."""
    sizes: list[int] = []

    for number in range(6):
        _ = pdf.render(content(*[line(description=f"Line {index} of {number}") for index in range(300)]), "en")
        sizes.append(int(MEMORY.read_text().split()[1]) * PAGE_SIZE)

    assert sizes[-1] - sizes[0] < 50 * 2**20


def test_same_document_has_the_same_bytes() -> None:
    assert pdf.render(content(), "nb") == pdf.render(content(), "nb")


def test_file_is_for_archives() -> None:
    """PDF/A-3b: what the file needs is in it."""
    metadata = read(content()).xmp_metadata

    assert metadata is not None
    assert b"pdfaid:part" in pdf.render(content(), "en")


@pytest.mark.parametrize("text", ["\ue000", "\U0001fae8", "\u00ad", "\u180e", "\ufffe", " \x01 "])
def test_text_without_any_readable_character_is_shown_as_unreadable(text: str) -> None:
    """EN 16931 requires names and texts of lines: without them, the document could never be sent."""
    document = content(line(description=clean(text)), buyer=Party(clean(text), "PL", None, None, None))

    assert clean(text) == "\ufffd"
    assert "24.75 EUR" in text_of(read(document))
    assert structured_invoice.to_ubl(document, "en") is not None


def test_no_text_stays_no_text() -> None:
    assert clean("") == ""
