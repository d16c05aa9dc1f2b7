"""The panel as the server sends it: pages, scripts, texts and operations."""

import gzip
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import orjson
import pytest
from graphql import OperationDefinitionNode, parse, print_ast
from starlette.applications import Starlette

import app
import i18n
import schema
from server import operation_file, panel
from server.document_cache import ValidDocument
from server.document_validation import document_checker
from server.limits import Limits
from settings import Settings
from tests.api import KEY, run_application

FOLDER = panel.FOLDER
VENDOR = FOLDER.parent / "server" / "static" / "vendor"
SCRIPTS = sorted(FOLDER.rglob("*.js"))
OPERATION_FILES = sorted(FOLDER.glob("*.graphql"))
URL = "http://localhost"
PATHS = (
    *("/", "/sign-in", "/sign-up", "/activate", "/forgot", "/reset", "/invitation", "/email", "/email-undo"),
    *("/accounts", "/me", "/me/sessions", "/a/1", "/a/1/users", "/a/1/none/%2e%2e/x"),
)
OTHER_NAMES = (
    *("", "none.js", "core", "core/", "core/none.js", "../server/panel.py", "..%2fserver%2fpanel.py", "%2e%2e/app.py"),
    *("core%2f..%2fmain.js", "/etc/passwd", "//etc/passwd", "main.js%00", "main.js/", "MAIN.JS"),
    *("texts/de.json", "texts/..%2fpl.json", "texts/pl.po", "texts/", "texts/pl.json/x"),
)
MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ENCODINGS = {
    **dict.fromkeys(("gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "GZIP", "deflate,gzip"), "gzip"),
    **dict.fromkeys(("", "br", "gzip;q=0", "gzip; q=0.0, br", "xgzip"), None),
}
"""Values of Accept-Encoding, and the encoding of the answer."""
FORBIDDEN = (
    r"\sstyle=|innerHTML|outerHTML|insertAdjacentHTML|document\.write|document\.cookie|\beval\(|new Function"
    r"|\bXMLHttpRequest\b|\bWebSocket\b|\bEventSource\b|sendBeacon"
)
"""Ways around the content security policy, and requests that do not go through `core/graph.js`."""
MAX_FIRST_PAGE_BYTES = 100_000
MAX_PAGE_SIZE = 50
"""Of the lists of the panel: the cost of an operation is checked with this number for each variable of the type Int."""


def name_of(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def read_operations() -> dict[str, str]:
    texts = [operation_file.split(path.read_text()) for path in OPERATION_FILES]
    return {name: text for operations in texts for name, text in operations.items()}


def read_contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(FOLDER.rglob("*")) if path.is_file()}


@asynccontextmanager
async def serve(*, is_development: bool = False) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the panel without modules and without the rest of the server."""
    application = Starlette(routes=panel.routes(is_development=is_development, modules=[]))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), base_url=URL) as client:
        yield client


# ---- Pages and files -------------------------------------------------------------------------


async def test_every_address_of_the_panel_is_the_same_page(production: httpx2.AsyncClient) -> None:
    start_page = (await production.get("/")).text

    for path in PATHS:
        page = await production.get(path)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert page.text == start_page
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert (await production.post(path)).status_code == 405


async def test_page_loads_only_files_of_this_server(production: httpx2.AsyncClient) -> None:
    page = (await production.get("/")).text

    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert path.startswith("/static/")
        assert (await production.get(path)).status_code == 200, path
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page)


async def test_page_names_all_scripts_of_its_frame(production: httpx2.AsyncClient) -> None:
    """Otherwise a browser would load them one after the other."""
    page = (await production.get("/")).text

    preloaded_paths = set(re.findall(r'rel="modulepreload" href="([^"]+)"', page))

    assert {"/static/panel/main.js", *imported_addresses("main.js")} - preloaded_paths == set()


def imported_addresses(name: str) -> set[str]:
    """The addresses of all modules that a script imports statically, directly or through others."""
    addresses: set[str] = set()
    names = [name]
    for script in names:  # The list grows during the iteration.
        for target in static_imports((FOLDER / script).read_text()):
            if target.startswith("/"):
                addresses.add(target)
                continue
            module = name_of(((FOLDER / script).parent / target).resolve())
            addresses.add(f"/static/panel/{module}")
            if module not in names:
                names.append(module)
    return addresses


def static_imports(source: str) -> list[str]:
    return re.findall(r'^(?:import|export)\b[^;"]*?(?:from\s*)?"([^"]+)";', source, re.MULTILINE)


async def test_every_file_is_served_except_the_sources_of_other_answers(production: httpx2.AsyncClient) -> None:
    for path, content in read_contents().items():
        response = await production.get(f"/static/panel/{name_of(path)}")

        if path.suffix in {".html", ".graphql"}:
            assert response.status_code == 404
        else:
            assert (response.status_code, response.content) == (200, content), path
            assert response.headers["content-type"].partition(";")[0] == MEDIA_TYPES[path.suffix]
            assert response.headers["cache-control"] == "no-cache"


async def test_other_names_are_not_served(production: httpx2.AsyncClient) -> None:
    for name in OTHER_NAMES:
        assert (await production.get(f"/static/panel/{name}")).status_code == 404, name
    async with serve(is_development=True) as client:
        for name in OTHER_NAMES:
            assert (await client.get(f"/static/panel/{name}")).status_code == 404, name


# ---- Compression and revalidation ------------------------------------------------------------


async def test_file_is_compressed_for_a_client_that_accepts_gzip(production: httpx2.AsyncClient) -> None:
    script = await production.get("/static/panel/main.js", headers={"Accept-Encoding": ""})

    for accepted, encoding in ENCODINGS.items():
        headers = {"Accept-Encoding": accepted}
        async with production.stream("GET", "/static/panel/main.js", headers=headers) as response:
            content = b"".join([part async for part in response.aiter_raw()])
        assert response.headers.get("content-encoding") == encoding, accepted
        assert response.headers["vary"] == "Accept-Encoding"
        assert (gzip.decompress(content) if encoding else content) == script.content


async def test_known_file_is_not_sent_again(production: httpx2.AsyncClient) -> None:
    for name in ("main.js", "operations.json", "texts/pl.json", "style.css"):
        response = await production.get(f"/static/panel/{name}")
        etag = response.headers["etag"]

        for known_tags in (etag, f'"other", {etag}', etag.removeprefix("W/")):
            again = await production.get(f"/static/panel/{name}", headers={"If-None-Match": known_tags})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        changed = await production.get(f"/static/panel/{name}", headers={"If-None-Match": f'W/"{"0" * 32}"'})
        assert (changed.status_code, changed.content) == (200, response.content)
        head = await production.head(f"/static/panel/{name}")
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)


async def test_first_page_is_small(production: httpx2.AsyncClient) -> None:
    """A browser with an empty cache loads these files to show the sign-in in Polish."""
    page = await production.get("/", headers={"Accept-Encoding": "gzip"})
    paths = [
        *re.findall(r'(?:src|href)="([^"]+)"', page.text),
        *("/static/panel/operations.json", "/static/panel/texts/pl.json", "/static/panel/pages/doors.js"),
    ]

    responses = [await production.get(path, headers={"Accept-Encoding": "gzip"}) for path in dict.fromkeys(paths)]

    sizes = {response.url.path: int(response.headers["content-length"]) for response in (page, *responses)}
    assert sum(sizes.values()) < MAX_FIRST_PAGE_BYTES, sorted(sizes.items(), key=lambda item: -item[1])


# ---- Texts and operations --------------------------------------------------------------------


async def test_texts_of_each_language_are_sent(production: httpx2.AsyncClient) -> None:
    for locale in i18n.LOCALES:
        response = await production.get(f"/static/panel/texts/{locale}.json")

        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        assert response.json() == i18n.read_texts(locale, "panel/")


def test_every_operation_has_a_name_of_its_own() -> None:
    definitions = [node for path in OPERATION_FILES for node in parse(path.read_text()).definitions]
    operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
    names = Counter(node.name.value if node.name else "" for node in operations)

    assert [name for name, count in names.items() if count > 1 or not name] == []


def test_every_operation_is_valid_and_within_the_limits() -> None:
    limits = Limits()
    check = document_checker(schema.build(), limits, development=True)
    problems: list[str] = []
    for name, text in read_operations().items():
        document = check(text)

        if not isinstance(document, ValidDocument):
            problems += [f"{name}: {error.message}" for error in document.errors]
            continue
        node, cost = document.operations[name]
        definitions = node.variable_definitions or ()
        numbers = [item.variable.name.value for item in definitions if print_ast(item.type).startswith("Int")]
        if (amount := cost(dict.fromkeys(numbers, MAX_PAGE_SIZE))) > limits.cost:
            problems.append(f"{name}: costs {amount}")

    assert problems == []


def test_every_operation_is_used_and_every_used_operation_exists() -> None:
    source = "\n".join(path.read_text() for path in SCRIPTS)
    literals = set(re.findall(r'"(\w+)"', source))
    calls = re.findall(r'(?:useQuery|mutate|execute|subscribe)\(\s*"(\w+)"', source)
    properties = re.findall(r'\boperation(?:=|: )"(\w+)"', source)
    operations = read_operations().keys()

    assert operations - literals == set()
    assert {*calls, *properties} - operations == set()


async def test_operations_of_the_modules_that_are_on_are_sent(production: httpx2.AsyncClient) -> None:
    names = operation_file.split((FOLDER / "operations.graphql").read_text()).keys()

    assert (await production.get("/static/panel/operations.json")).json() == read_operations()
    async with serve() as client:
        assert (await client.get("/static/panel/operations.json")).json().keys() == names


# ---- Settings --------------------------------------------------------------------------------


async def test_panel_can_be_off(database_url: str) -> None:
    settings = Settings(env="development", database_url=database_url, secret_key=KEY, public_url=URL, panel="off")

    async with run_application(app.create(settings), URL) as http:
        for path in (*PATHS, "/static/panel/main.js", "/static/panel/texts/pl.json"):
            assert (await http.get(path)).status_code == 404, path
        assert (await http.get("/static/graphiql/page.js")).status_code == 200


async def test_change_of_a_file_shows_without_a_restart_in_development_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("index.html", "operations.graphql"):
        _ = (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    monkeypatch.setattr(panel, "FOLDER", tmp_path)
    for is_development, expected in ((True, ["// 1", "// 2"]), (False, ["// 1", "// 1"])):
        _ = (tmp_path / "main.js").write_text("// 1")
        async with serve(is_development=is_development) as client:
            texts = [(await client.get("/static/panel/main.js")).text]
            _ = (tmp_path / "main.js").write_text("// 2")
            texts.append((await client.get("/static/panel/main.js")).text)

        assert texts == expected


# ---- Rules for the scripts -------------------------------------------------------------------


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_script_keeps_the_rules_of_the_panel(path: Path) -> None:
    source = path.read_text()
    code = re.sub(r"^\s*(?://|/?\*).*$", "", source, flags=re.MULTILINE)

    assert source.startswith("// "), "a script begins with a comment that says what it holds"
    assert len(source.splitlines()) <= 400
    assert not re.search(FORBIDDEN, code)
    assert not re.search(r"https?://", code.replace("http://www.w3.org/", ""))
    addresses = re.findall(r'(?<!\w)fetch\(\s*["`]([^"`$]*)', code)
    assert set(addresses) <= {"/graphql", "/static/panel/operations.json", "/static/panel/texts/"}


def test_manifest_names_files_that_are_served() -> None:
    manifest = orjson.loads((FOLDER / "manifest.webmanifest").read_bytes())

    assert manifest["start_url"] == "/"
    for icon in manifest["icons"]:
        assert (FOLDER / icon["src"].removeprefix("/static/panel/")).is_file()


def test_libraries_are_fetched_by_hash() -> None:
    hashed_names = {line.split()[1] for line in (FOLDER.parent / "web" / "files.sha256").read_text().splitlines()}

    assert {*panel.LIBRARIES} <= hashed_names
