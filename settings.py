"""One frozen object with everything the environment decides, read once at start.

Every variable begins with FULLMAKT_ and is named after its field, so FULLMAKT_PORT is `port`. A name that is not
here is an error and never ignored: a misspelt variable would silently mean its default. In development the command
line supplies the database and the key; in production nothing that matters has a default.
"""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

PREFIX = "FULLMAKT_"
TRACES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACES_PROTOCOL = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
REQUIRED = ("FULLMAKT_DATABASE_URL", "FULLMAKT_SECRET_KEY")
SHORTEST_SECRET_BYTES = 32
SHORTEST_TOKEN = 16
DATABASE_SCHEMES = ("asyncpg", "postgres", "postgresql")
LISTS = ("FULLMAKT_ALLOWED_ORIGINS", "FULLMAKT_ALLOWED_HOSTS", "FULLMAKT_TRUSTED_PROXIES")
HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", re.IGNORECASE)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SMTP_SCHEMES = ("smtp", "smtps", "smtp+starttls")
HIDDEN = "***"


class SettingsError(Exception):
    """The environment cannot be used; the text is one line that names the variable and never shows a secret."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment decided. Its repr shows no password and no key."""

    env: Literal["development", "production"] = "production"
    database_url: str = ""
    database_role: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8000
    public_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    keep_alive_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 10
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=300)] = 3
    shutdown_seconds: Annotated[float, msgspec.Meta(ge=1, le=600)] = 20
    pool_size: Annotated[int, msgspec.Meta(ge=2, le=500)] = 20
    connections: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 2000
    allowed_origins: tuple[str, ...] = ()
    smtp_url: str | None = None
    mail_from: str = ""
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    secret_key: str = ""
    executor: Literal["compiled", "reference"] = "compiled"
    documents: Literal["any", "trusted-for-anonymous", "trusted"] = "any"
    trial_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 30
    free_seats: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 5
    log: Literal["json", "text"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_operations: Literal["all", "notable", "none"] = "all"
    log_slow_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 1000
    metrics_token: Annotated[str, msgspec.Meta(min_length=SHORTEST_TOKEN)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=200, le=20_000)] = 1000
    max_fields: Annotated[int, msgspec.Meta(ge=230, le=5_000)] = 300
    max_depth: Annotated[int, msgspec.Meta(ge=15, le=50)] = 15
    max_aliases: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 30
    max_directives: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 20
    max_cost: Annotated[int, msgspec.Meta(ge=100, le=1_000_000_000)] = 10_000
    max_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=300)] = 10
    budget: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 100_000
    budget_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000

    @property
    def is_development(self) -> bool:
        """True where convenience may win over safety: mailbox, demo data, plain HTTP."""
        return self.env == "development"

    @property
    def is_https(self) -> bool:
        """True where the world reaches it by https."""
        return self.public_url.startswith("https:")

    def __rich_repr__(self) -> list[tuple[str, object]]:
        shown: dict[str, object] = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["database_url"] = without_password(self.database_url)
        shown["smtp_url"] = self.smtp_url and without_password(self.smtp_url)
        shown["secret_key"] = HIDDEN
        shown["metrics_token"] = self.metrics_token and HIDDEN
        return list(shown.items())

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


VARIABLES = {PREFIX + field.upper(): field for field in Settings.__struct_fields__}


def read(environ: Mapping[str, str]) -> Settings:
    """The settings that `environ` asks for; variables of other programs are left alone.

    Raises:
        SettingsError: a name is unknown, a value is empty or out of range, or a required one is missing.
    """
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in given.keys() - VARIABLES.keys():
        raise SettingsError(f"{name} is not a setting.{nearest(name)}")
    settings = convert({name: clean(name, text) for name, text in given.items()})

    for name in (*REQUIRED, *(() if settings.is_development else ("FULLMAKT_PUBLIC_URL",))):
        if name not in given:
            raise SettingsError(f"{name} is not set; FULLMAKT_ENV={settings.env} needs it.")
    if len(settings.secret_key.encode()) < SHORTEST_SECRET_BYTES:
        raise SettingsError(f"FULLMAKT_SECRET_KEY is shorter than {SHORTEST_SECRET_BYTES} bytes.")
    for text in settings.trusted_proxies:
        proxy(text)
    for text in settings.allowed_origins:
        origin(text)
    if settings.is_development and "FULLMAKT_DRAIN_SECONDS" not in given:
        settings = msgspec.structs.replace(settings, drain_seconds=0)
    if settings.drain_seconds > settings.shutdown_seconds / 2:
        raise SettingsError("FULLMAKT_DRAIN_SECONDS is more than half of FULLMAKT_SHUTDOWN_SECONDS, which holds it.")
    public_url = public_address(settings)
    return msgspec.structs.replace(
        settings,
        database_url=database_address(settings.database_url),
        public_url=public_url,
        allowed_hosts=hosts(settings, public_url),
        smtp_url=settings.smtp_url and smtp_address(settings.smtp_url),
        mail_from=sender(settings.mail_from, public_url),
    )


def traces(environ: Mapping[str, str]) -> bool:
    """Whether the variables of OpenTelemetry, which its own library reads, ask for traces.

    Raises:
        SettingsError: they ask for what this program does not do.
    """
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    name = next((name for name in TRACES if environ.get(name)), None)
    if name is None or is_off:
        return False
    parts = split(name, environ[name])
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"{name} must look like http://collector:4318.")
    for protocol in TRACES_PROTOCOL:
        if environ.get(protocol, "http/protobuf") != "http/protobuf":
            raise SettingsError(f"{protocol} must be http/protobuf, or be left out.")
    return True


def nearest(name: str) -> str:
    """A sentence that offers the closest known name, or names them all."""
    close = difflib.get_close_matches(
        name.removeprefix(PREFIX), [known.removeprefix(PREFIX) for known in VARIABLES], n=1
    )
    return f" Did you mean {PREFIX}{close[0]}?" if close else f" There are: {', '.join(VARIABLES)}."


def clean(name: str, text: str) -> str:
    """The value of one variable without the blanks around it."""
    text = text.strip()
    if not text:
        raise SettingsError(f"{name} is empty. Leave it out to use its default.")
    if not text.isprintable():
        raise SettingsError(f"{name} holds a line break or another control character.")
    return text


def convert(given: Mapping[str, str]) -> Settings:
    """The values in their types and ranges."""
    values: dict[str, object] = {
        VARIABLES[name]: [one.strip() for one in text.split(",")] if name in LISTS else text
        for name, text in given.items()
    }
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, field = str(error).rstrip("`").partition(" - at `$.")
        raise SettingsError(f"{PREFIX}{field.upper()}: {reason}.") from None


def database_address(url: str) -> str:
    """The address in the one spelling that Tortoise takes, whichever of PostgreSQL's usual ones was given."""
    parts = split("FULLMAKT_DATABASE_URL", url)
    if parts.scheme not in DATABASE_SCHEMES or not parts.path.strip("/"):
        raise SettingsError("FULLMAKT_DATABASE_URL must look like postgresql://user:password@host:5432/database.")
    return "asyncpg" + url[len(parts.scheme) :]


def smtp_address(url: str) -> str:
    """The address unchanged, once its scheme and host are known to be usable."""
    parts = split("FULLMAKT_SMTP_URL", url)
    if parts.scheme not in SMTP_SCHEMES or not parts.hostname:
        raise SettingsError("FULLMAKT_SMTP_URL must be smtp://, smtps:// or smtp+starttls://user:password@host:port.")
    return url


def public_address(settings: Settings) -> str:
    """Where links in mails lead, without the slash at the end. A password travels there, hence https in production."""
    parts = split("FULLMAKT_PUBLIC_URL", settings.public_url or f"http://127.0.0.1:{settings.port}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError("FULLMAKT_PUBLIC_URL must begin with https:// and name a host.")
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError("FULLMAKT_PUBLIC_URL must have no user name, no query and no fragment.")
    if parts.scheme == "http" and not settings.is_development and not is_loopback(parts.hostname):
        raise SettingsError("FULLMAKT_PUBLIC_URL must be https in production.")
    return urlunsplit(parts).rstrip("/")


def hosts(settings: Settings, public_url: str) -> tuple[str, ...]:
    """All names under which it is served: the public address's, those listed, and in development this machine's."""
    for name in settings.allowed_hosts:
        if not HOST.fullmatch(name):
            raise SettingsError("FULLMAKT_ALLOWED_HOSTS must be names or addresses without port, divided by commas.")
    public = urlsplit(public_url).hostname or ""
    given = (f"[{public}]" if ":" in public else public, *settings.allowed_hosts)
    return tuple(dict.fromkeys((*given, *(LOOPBACK if settings.is_development else ()))))


def proxy(text: str) -> None:
    """Insist on an address or a network."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise SettingsError(
            f"FULLMAKT_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, divided by commas: {text}."
        ) from None


def origin(text: str) -> None:
    """Insist on an origin as browsers spell it: one page's, and no pattern. What it may do, https protects."""
    try:
        parts = urlsplit(text)
        is_default = parts.port in {None, 80 if parts.scheme == "http" else 443}
        host = parts.hostname or ""
    except ValueError:
        host, parts, is_default = "", urlsplit(""), True
    spelt = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if is_default else f':{parts.port}'}"
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if text != spelt or not is_safe or not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", host):
        raise SettingsError(
            "FULLMAKT_ALLOWED_ORIGINS must be origins such as https://app.example.com, in small letters, without path"
            " or slash, divided by commas; http for this machine only."
        )


def sender(given: str, public_url: str) -> str:
    """The From line of mails: the given one, else no-reply at the public host."""
    if not given:
        host = urlsplit(public_url).hostname or ""
        return f"Fullmakt <no-reply@{'localhost' if is_loopback(host) else host}>"
    _, address = parseaddr(given)
    if "@" not in address.strip("@"):
        raise SettingsError("FULLMAKT_MAIL_FROM must be an address, such as Fullmakt <no-reply@example.com>.")
    return given


def split(name: str, url: str) -> SplitResult:
    """The parts of `url`; its text stays out of the error, for it may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SettingsError(f"{name} is not a usable address.") from None
    return parts


def is_loopback(host: str) -> bool:
    """True for an address or name that never leaves this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_password(url: str) -> str:
    """The address with its password hidden and its query left out, for a person to read."""
    if not url:
        return url
    parts = urlsplit(url)
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user}{colon and f':{HIDDEN}'}{'@' if user else ''}{host}{parts.path}"
