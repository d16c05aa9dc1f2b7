"""The settings from environment variables, read once at start.

Each variable is FULLMAKT_ and the name of its field: FULLMAKT_PORT is `port`. An unknown name is an error, because a
misspelt variable would silently use the default. In development, the command line provides the database and the key.
In production, the database, the key and the public URL have no defaults.
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
TRACES_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACES_PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
REQUIRED_VARIABLES = ("FULLMAKT_DATABASE_URL", "FULLMAKT_SECRET_KEY")
MIN_SECRET_BYTES = 32
MIN_TOKEN_LENGTH = 16
DATABASE_SCHEMES = ("asyncpg", "postgres", "postgresql")
LIST_VARIABLES = ("FULLMAKT_ALLOWED_ORIGINS", "FULLMAKT_ALLOWED_HOSTS", "FULLMAKT_TRUSTED_PROXIES", "FULLMAKT_MODULES")
HOST_PATTERN = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", re.IGNORECASE)
APP_SCHEMES = ("capacitor", "ionic", "tauri")
"""The schemes of pages in the package of an installed app, which no network can forge."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SMTP_SCHEMES = ("smtp", "smtps", "smtp+starttls")
MASK = "***"


class SettingsError(Exception):
    """The environment is invalid. The text is one line that names the variable and contains no secret."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings. The repr contains no password and no key."""

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
    connections_per_network: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 400
    streams_per_user: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    streams_per_network: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200
    allowed_origins: tuple[str, ...] = ()
    smtp_url: str | None = None
    mail_from: str = ""
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    secret_key: str = ""
    executor: Literal["compiled", "reference"] = "compiled"
    documents: Literal["any", "trusted-for-anonymous", "trusted"] = "any"
    trial_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 30
    anchor_file: str = ""
    anchor_command: str = ""
    free_seats: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 5
    trials_per_user: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    accounts_per_day: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    mails_per_hour: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 1000
    log: Literal["json", "text"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_operations: Literal["all", "notable", "none"] = "all"
    log_slow_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 1000
    metrics_token: Annotated[str, msgspec.Meta(min_length=MIN_TOKEN_LENGTH)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=200, le=20_000)] = 1000
    max_fields: Annotated[int, msgspec.Meta(ge=230, le=5_000)] = 300
    max_depth: Annotated[int, msgspec.Meta(ge=15, le=50)] = 15
    max_aliases: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 30
    max_directives: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 20
    max_cost: Annotated[int, msgspec.Meta(ge=100, le=1_000_000_000)] = 10_000
    max_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=300)] = 10
    budget: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 100_000
    budget_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000
    operations_per_caller: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 8
    # modules.py reads these two itself: the types must be known before the settings are read.
    modules: tuple[str, ...] = ()
    workspace: Literal["on", "off"] = "on"
    panel: Literal["on", "off"] = "on"

    @property
    def is_development(self) -> bool:
        """True if unsafe conveniences are allowed: the mailbox, demo data, plain HTTP."""
        return self.env == "development"

    @property
    def is_https(self) -> bool:
        """True if the public URL uses https."""
        return self.public_url.startswith("https:")

    def __rich_repr__(self) -> list[tuple[str, object]]:
        values: dict[str, object] = {name: getattr(self, name) for name in self.__struct_fields__}
        values["database_url"] = mask_password(self.database_url)
        values["smtp_url"] = self.smtp_url and mask_password(self.smtp_url)
        values["secret_key"] = MASK
        values["metrics_token"] = self.metrics_token and MASK
        return list(values.items())

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


VARIABLES = {PREFIX + field.upper(): field for field in Settings.__struct_fields__}


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `environ`. Variables without the prefix are ignored.

    Raises:
        SettingsError: a name is unknown, a value is empty or out of range, or a required variable is missing.
    """
    variables = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in variables.keys() - VARIABLES.keys():
        raise SettingsError(f"{name} is not a setting.{suggest_name(name)}")
    settings = convert({name: clean(name, text) for name, text in variables.items()})

    for name in (*REQUIRED_VARIABLES, *(() if settings.is_development else ("FULLMAKT_PUBLIC_URL",))):
        if name not in variables:
            raise SettingsError(f"{name} is not set; FULLMAKT_ENV={settings.env} needs it.")
    if len(settings.secret_key.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(f"FULLMAKT_SECRET_KEY is shorter than {MIN_SECRET_BYTES} bytes.")
    for text in settings.trusted_proxies:
        require_network(text)
    for text in settings.allowed_origins:
        require_origin(text)
    if settings.is_development and "FULLMAKT_DRAIN_SECONDS" not in variables:
        settings = msgspec.structs.replace(settings, drain_seconds=0)
    if settings.drain_seconds > settings.shutdown_seconds / 2:
        raise SettingsError("FULLMAKT_DRAIN_SECONDS is more than half of FULLMAKT_SHUTDOWN_SECONDS.")
    public_url = resolve_public_url(settings)
    return msgspec.structs.replace(
        settings,
        database_url=normalize_database_url(settings.database_url),
        public_url=public_url,
        allowed_hosts=resolve_hosts(settings, public_url),
        smtp_url=settings.smtp_url and check_smtp_url(settings.smtp_url),
        mail_from=resolve_sender(settings.mail_from, public_url),
    )


def has_traces(environ: Mapping[str, str]) -> bool:
    """Return True if the variables of OpenTelemetry enable traces. The OpenTelemetry library reads them itself.

    Raises:
        SettingsError: an endpoint or a protocol is not supported.
    """
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    name = next((name for name in TRACES_ENDPOINT_VARIABLES if environ.get(name)), None)
    if name is None or is_off:
        return False
    parts = split_url(name, environ[name])
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"{name} must look like http://collector:4318.")
    for protocol in TRACES_PROTOCOL_VARIABLES:
        if environ.get(protocol, "http/protobuf") != "http/protobuf":
            raise SettingsError(f"{protocol} must be http/protobuf or not set.")
    return True


def suggest_name(name: str) -> str:
    """Return a sentence with the most similar name, or with all names."""
    close = difflib.get_close_matches(
        name.removeprefix(PREFIX), [variable.removeprefix(PREFIX) for variable in VARIABLES], n=1
    )
    return f" Did you mean {PREFIX}{close[0]}?" if close else f" The settings are {', '.join(VARIABLES)}."


def clean(name: str, text: str) -> str:
    """Return the value of a variable without surrounding whitespace."""
    text = text.strip()
    if not text:
        raise SettingsError(f"{name} is empty. Unset it to use the default.")
    if not text.isprintable():
        raise SettingsError(f"{name} contains a line break or another control character.")
    return text


def convert(variables: Mapping[str, str]) -> Settings:
    """Convert the values to their types and check their ranges."""
    values: dict[str, object] = {
        VARIABLES[name]: [item.strip() for item in text.split(",")] if name in LIST_VARIABLES else text
        for name, text in variables.items()
    }
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, field = str(error).rstrip("`").partition(" - at `$.")
        raise SettingsError(f"{PREFIX}{field.upper()}: {reason}.") from None


def normalize_database_url(url: str) -> str:
    """Return the URL with the scheme that Tortoise requires. The usual schemes of PostgreSQL are accepted."""
    parts = split_url("FULLMAKT_DATABASE_URL", url)
    if parts.scheme not in DATABASE_SCHEMES or not parts.path.strip("/"):
        raise SettingsError("FULLMAKT_DATABASE_URL must look like postgresql://user:password@host:5432/database.")
    return "asyncpg" + url[len(parts.scheme) :]


def check_smtp_url(url: str) -> str:
    """Check the scheme and host of the URL and return it unchanged."""
    parts = split_url("FULLMAKT_SMTP_URL", url)
    if parts.scheme not in SMTP_SCHEMES or not parts.hostname:
        raise SettingsError("FULLMAKT_SMTP_URL must be smtp://, smtps:// or smtp+starttls://user:password@host:port.")
    return url


def resolve_public_url(settings: Settings) -> str:
    """Return the base URL of links in mails, without a slash at the end.

    It must be https in production, because users send passwords to it.
    """
    parts = split_url("FULLMAKT_PUBLIC_URL", settings.public_url or f"http://127.0.0.1:{settings.port}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError("FULLMAKT_PUBLIC_URL must begin with https:// and name a host.")
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError("FULLMAKT_PUBLIC_URL must have no user name, no query and no fragment.")
    if parts.scheme == "http" and not settings.is_development and not is_loopback(parts.hostname):
        raise SettingsError("FULLMAKT_PUBLIC_URL must be https in production.")
    return urlunsplit(parts).rstrip("/")


def resolve_hosts(settings: Settings, public_url: str) -> tuple[str, ...]:
    """Return all allowed hosts: of the public URL, of FULLMAKT_ALLOWED_HOSTS, and in development of this machine."""
    for name in settings.allowed_hosts:
        if not HOST_PATTERN.fullmatch(name):
            raise SettingsError("FULLMAKT_ALLOWED_HOSTS must be names or addresses without port, separated by commas.")
    public = urlsplit(public_url).hostname or ""
    names = (f"[{public}]" if ":" in public else public, *settings.allowed_hosts)
    return tuple(dict.fromkeys((*names, *(LOOPBACK if settings.is_development else ()))))


def require_network(text: str) -> None:
    """Raise if the text is not an IP address or a network."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise SettingsError(
            f"FULLMAKT_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, separated by commas: {text}."
        ) from None


def require_origin(text: str) -> None:
    """Raise if the text is not an origin exactly as browsers send it. Patterns are not supported.

    Origins must use https or the scheme of an app, because a page over plain HTTP can be forged on the network.
    """
    try:
        parts = urlsplit(text)
        has_default_port = parts.port in {None, 80 if parts.scheme == "http" else 443}
        host = parts.hostname or ""
    except ValueError:
        host, parts, has_default_port = "", urlsplit(""), True
    canonical = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if has_default_port else f':{parts.port}'}"
    is_safe = parts.scheme in {"https", *APP_SCHEMES} or (parts.scheme == "http" and is_loopback(host))
    if text != canonical or not is_safe or not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", host):
        raise SettingsError(
            "FULLMAKT_ALLOWED_ORIGINS must be origins such as https://app.example.com, in lower case, without a path"
            " or slash, separated by commas; or capacitor://localhost, ionic://localhost, tauri://localhost; http only"
            " for this machine."
        )


def resolve_sender(mail_from: str, public_url: str) -> str:
    """Return the From header of mails. The default is no-reply at the public host."""
    if not mail_from:
        host = urlsplit(public_url).hostname or ""
        return f"Fullmakt <no-reply@{'localhost' if is_loopback(host) else host}>"
    _, address = parseaddr(mail_from)
    if "@" not in address.strip("@"):
        raise SettingsError("FULLMAKT_MAIL_FROM must be an address, such as Fullmakt <no-reply@example.com>.")
    return mail_from


def split_url(name: str, url: str) -> SplitResult:
    """Split a URL. The error does not contain the URL, because it may contain a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SettingsError(f"{name} is not a valid URL.") from None
    return parts


def is_loopback(host: str) -> bool:
    """True if the host is a loopback address or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def mask_password(url: str) -> str:
    """Return the URL for logs: the password is masked and the query removed."""
    if not url:
        return url
    parts = urlsplit(url)
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user}{colon and f':{MASK}'}{'@' if user else ''}{host}{parts.path}"
