from dataclasses import fields
from pathlib import Path

import pytest

import settings
from models.base.caller import OperationConfig, configure
from settings import SettingsError, read

KEY = "k" * settings.MIN_SECRET_BYTES
PASSWORD = "hunter2"
DEVELOPMENT = {
    "FULLMAKT_ENV": "development",
    "FULLMAKT_DATABASE_URL": f"postgresql://owner:{PASSWORD}@db.example.com:5433/fullmakt?ssl=true",
    "FULLMAKT_SECRET_KEY": KEY,
}
PRODUCTION = DEVELOPMENT | {"FULLMAKT_ENV": "production", "FULLMAKT_PUBLIC_URL": "https://fullmakt.example.com"}


def error_text(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        read(environ)
    message = str(error.value)
    assert "\n" not in message
    assert PASSWORD not in message
    return message


def test_production_is_the_default() -> None:
    variables = {name: value for name, value in PRODUCTION.items() if name != "FULLMAKT_ENV"}

    assert read(variables).env == "production"


def test_defaults() -> None:
    values = read(DEVELOPMENT)

    assert (values.host, values.port, values.workers, values.trial_days) == ("127.0.0.1", 8000, 1, 30)
    assert values.public_url == "http://127.0.0.1:8000"
    assert values.mail_from == "Fullmakt <no-reply@localhost>"
    assert values.smtp_url is None
    assert values.is_development


def test_panel_is_on_or_off() -> None:
    assert read(PRODUCTION).panel == "on"
    assert read(PRODUCTION | {"FULLMAKT_PANEL": "off"}).panel == "off"
    assert "FULLMAKT_PANEL" in error_text(PRODUCTION | {"FULLMAKT_PANEL": "no"})


def test_variables_without_the_prefix_are_ignored() -> None:
    assert read(DEVELOPMENT | {"PORT": "x", "FULL": "y"}) == read(DEVELOPMENT)


def test_every_postgresql_scheme_is_converted_for_the_driver() -> None:
    for scheme in settings.DATABASE_SCHEMES:
        url = f"{scheme}://owner@/fullmakt?host=/run/a%20b"
        assert read(DEVELOPMENT | {"FULLMAKT_DATABASE_URL": url}).database_url == "asyncpg" + url[len(scheme) :]


def test_public_url_uses_the_port_and_has_no_slash_at_the_end() -> None:
    assert read(DEVELOPMENT | {"FULLMAKT_PORT": "8123"}).public_url == "http://127.0.0.1:8123"
    assert read(PRODUCTION | {"FULLMAKT_PUBLIC_URL": "https://a.example.com/"}).public_url == "https://a.example.com"


def test_allowed_hosts_are_the_public_host_and_the_configured_hosts() -> None:
    hosts = {"FULLMAKT_ALLOWED_HOSTS": "api.example.com, 10.0.0.1 ,[::2]"}

    assert read(PRODUCTION).allowed_hosts == ("fullmakt.example.com",)
    assert read(PRODUCTION | hosts).allowed_hosts == ("fullmakt.example.com", "api.example.com", "10.0.0.1", "[::2]")
    assert read(PRODUCTION | {"FULLMAKT_PUBLIC_URL": "https://[2001:db8::1]/"}).allowed_hosts == ("[2001:db8::1]",)
    assert read(DEVELOPMENT).allowed_hosts == ("127.0.0.1", "localhost", "[::1]")


def test_only_configured_proxies_are_trusted() -> None:
    proxies = {"FULLMAKT_TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.1, ::1"}

    assert read(PRODUCTION).trusted_proxies == ()
    assert read(PRODUCTION | proxies).trusted_proxies == ("10.0.0.0/8", "192.0.2.1", "::1")


def test_development_does_not_drain_by_default() -> None:
    assert (read(PRODUCTION).drain_seconds, read(PRODUCTION).shutdown_seconds) == (3, 20)
    assert read(DEVELOPMENT).drain_seconds == 0
    assert read(DEVELOPMENT | {"FULLMAKT_DRAIN_SECONDS": "0.5"}).drain_seconds == 0.5


def test_mail_sender_is_at_the_public_host_by_default() -> None:
    assert read(PRODUCTION).mail_from == "Fullmakt <no-reply@fullmakt.example.com>"


def test_whitespace_around_a_value_is_ignored() -> None:
    assert read(DEVELOPMENT | {"FULLMAKT_PORT": " 8123 "}).port == 8123


@pytest.mark.parametrize("name", ["FULLMAKT_DATABASE_URL", "FULLMAKT_SECRET_KEY", "FULLMAKT_PUBLIC_URL"])
def test_missing_variable_is_an_error_in_production(name: str) -> None:
    variables = {variable: value for variable, value in PRODUCTION.items() if variable != name}

    assert error_text(variables).startswith(f"{name} is not set")


def test_misspelt_name_is_an_error_with_a_suggestion() -> None:
    text = error_text(DEVELOPMENT | {"FULLMAKT_PROT": "1"})

    assert text == "FULLMAKT_PROT is not a setting. Did you mean FULLMAKT_PORT?"
    assert "FULLMAKT_TRIAL_DAYS" in error_text(DEVELOPMENT | {"FULLMAKT_XYZZY": "1"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FULLMAKT_ENV", "staging"),
        ("FULLMAKT_ENV", ""),
        ("FULLMAKT_HOST", "  "),
        ("FULLMAKT_HOST", "a\nb"),
        ("FULLMAKT_PORT", "0"),
        ("FULLMAKT_PORT", "65536"),
        ("FULLMAKT_PORT", "http"),
        ("FULLMAKT_WORKERS", "0"),
        ("FULLMAKT_WORKERS", "1.5"),
        ("FULLMAKT_ALLOWED_HOSTS", "https://fullmakt.example.com"),
        ("FULLMAKT_ALLOWED_HOSTS", "fullmakt.example.com:443"),
        ("FULLMAKT_ALLOWED_HOSTS", "a.example.com,"),
        ("FULLMAKT_ALLOWED_HOSTS", "*"),
        ("FULLMAKT_TRUSTED_PROXIES", "proxy.example.com"),
        ("FULLMAKT_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("FULLMAKT_TRUSTED_PROXIES", "*"),
        ("FULLMAKT_KEEP_ALIVE_SECONDS", "0"),
        ("FULLMAKT_CONNECTIONS", "9"),
        ("FULLMAKT_POOL_SIZE", "1"),
        ("FULLMAKT_SHUTDOWN_SECONDS", "0"),
        ("FULLMAKT_DRAIN_SECONDS", "-1"),
        ("FULLMAKT_DRAIN_SECONDS", "10.5"),
        ("FULLMAKT_TRIAL_DAYS", "-1"),
        ("FULLMAKT_METRICS_TOKEN", PASSWORD),
        ("FULLMAKT_LOG", "xml"),
        ("FULLMAKT_LOG_LEVEL", "loud"),
        ("FULLMAKT_LOG_OPERATIONS", "some"),
        ("FULLMAKT_LOG_SLOW_MS", "0"),
        ("FULLMAKT_TRIAL_DAYS", "367"),
        ("FULLMAKT_SECRET_KEY", PASSWORD),
        ("FULLMAKT_DATABASE_URL", f"sqlite://{PASSWORD}.db"),
        ("FULLMAKT_DATABASE_URL", f"postgresql://owner:{PASSWORD}@db.example.com"),
        ("FULLMAKT_DATABASE_URL", f"postgresql://owner:{PASSWORD}@db.example.com:port/fullmakt"),
        ("FULLMAKT_SMTP_URL", f"owner:{PASSWORD}@mail.example.com"),
        ("FULLMAKT_SMTP_URL", "smtp://"),
        ("FULLMAKT_MAIL_FROM", "Fullmakt"),
        ("FULLMAKT_PUBLIC_URL", "fullmakt.example.com"),
        ("FULLMAKT_PUBLIC_URL", "http://fullmakt.example.com"),
        ("FULLMAKT_PUBLIC_URL", "https://fullmakt.example.com/#here"),
        ("FULLMAKT_PUBLIC_URL", f"https://me:{PASSWORD}@fullmakt.example.com"),
        ("FULLMAKT_PUBLIC_URL", "https://[::1"),
        ("FULLMAKT_ALLOWED_ORIGINS", "*"),
        ("FULLMAKT_ALLOWED_ORIGINS", "null"),
        ("FULLMAKT_ALLOWED_ORIGINS", "app.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", "//app.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://*.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com/shop"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com?"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com:443"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com:99999"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://App.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", "http://app.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://żółw.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com,"),
        ("FULLMAKT_ALLOWED_ORIGINS", "https://app.example.com https://shop.example.com"),
        ("FULLMAKT_ALLOWED_ORIGINS", f"https://me:{PASSWORD}@app.example.com"),
    ],
)
def test_invalid_value_is_rejected_with_the_variable_name(name: str, text: str) -> None:
    assert error_text(PRODUCTION | {name: text}).startswith(name)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_plain_http_is_allowed_for_loopback_hosts(host: str) -> None:
    assert read(PRODUCTION | {"FULLMAKT_PUBLIC_URL": f"http://{host}"}).public_url == f"http://{host}"


def test_allowed_origins_are_split_at_commas() -> None:
    variables = (
        "https://app.example.com, https://xn--w-uga1v8h.example.com:8443,http://localhost:3000,http://[::1]:3000,"
        "capacitor://localhost, ionic://localhost, tauri://localhost"
    )

    values = read(PRODUCTION | {"FULLMAKT_ALLOWED_ORIGINS": variables})

    assert values.allowed_origins == tuple(variables.replace(", ", ",").split(","))
    assert read(PRODUCTION).allowed_origins == ()


@pytest.mark.parametrize("scheme", settings.SMTP_SCHEMES)
def test_every_smtp_scheme_is_accepted(scheme: str) -> None:
    url = f"{scheme}://user:{PASSWORD}@mail.example.com:2525"

    assert read(PRODUCTION | {"FULLMAKT_SMTP_URL": url}).smtp_url == url


def test_repr_contains_no_secrets() -> None:
    token = f"{PASSWORD}-of-the-scraper"
    variables = {"FULLMAKT_SMTP_URL": f"smtp://user:{PASSWORD}@mail.example.com", "FULLMAKT_METRICS_TOKEN": token}
    values = read(PRODUCTION | variables)

    for text in (repr(values), str(values), str(values.__rich_repr__())):
        assert PASSWORD not in text
        assert KEY not in text
    assert "asyncpg://owner:***@db.example.com:5433/fullmakt'" in repr(values)
    assert "smtp://user:***@mail.example.com'" in repr(values)


def test_any_operation_is_allowed_by_default() -> None:
    assert read(PRODUCTION).documents == "any"
    for policy in ("any", "trusted-for-anonymous", "trusted"):
        assert read(PRODUCTION | {"FULLMAKT_DOCUMENTS": policy}).documents == policy
    assert error_text(PRODUCTION | {"FULLMAKT_DOCUMENTS": "all"}).startswith(
        "FULLMAKT_DOCUMENTS: Invalid enum value 'all'"
    )


def test_opentelemetry_variables_enable_traces() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}

    assert not settings.has_traces({})
    assert not settings.has_traces({"OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    assert settings.has_traces(endpoint)
    assert settings.has_traces({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example.com/v1/traces"})
    assert not settings.has_traces(endpoint | {"OTEL_SDK_DISABLED": "true"})
    assert not settings.has_traces(endpoint | {"OTEL_TRACES_EXPORTER": "none"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
def test_unsupported_trace_settings_are_rejected(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings.has_traces({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", name: text})


def test_operations_get_each_setting() -> None:
    """A field that `configure` forgets has its default."""
    numbers = {
        "trial_days": 1,
        "free_seats": 2,
        "trials_per_user": 3,
        "accounts_per_day": 4,
        "mails_per_hour": 5,
    }
    texts = {"anchor_file": "file", "anchor_command": "command", "public_url": "https://app.example.com"}
    origins = "https://www.example.com"
    values = numbers | texts | {"allowed_origins": origins}
    variables = {settings.PREFIX + name.upper(): str(value) for name, value in values.items()}

    config = configure(read(DEVELOPMENT | variables))

    names = {field.name for field in fields(OperationConfig)}
    assert {name: getattr(config, name) for name in names} == {
        "link_key": KEY,
        "allowed_origins": (origins,),
        **numbers,
        **texts,
    }


def test_operations_are_configured_in_one_place() -> None:
    """Servers, workers of mails, commands and the demo data would otherwise use different limits."""
    root = Path(settings.__file__).parent
    folders = ("auth", "commands", "mailer", "models", "resolvers", "schema", "server")
    modules = [*root.glob("*.py"), *(path for folder in folders for path in (root / folder).glob("**/*.py"))]

    builders = [path.relative_to(root).as_posix() for path in modules if "OperationConfig(" in path.read_text()]

    assert builders == ["models/base/caller.py"]
