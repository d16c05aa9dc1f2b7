"""The composition root: creates the application from the settings."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

import modules
import schema
import settings as environment
from database import db
from database.clock import DatabaseClock
from mailer import mailbox, scheduler, smtp, unsubscribe, worker
from models.base.caller import OperationConfig, configure
from models.live.hub import Hub
from models.tables import SCHEMA
from server import connection, connection_limits, error_response, execution, graphiql, health, log, panel, shutdown
from server.access_log import AccessLog, AccessLogMiddleware
from server.budget import Budget
from server.connection_limits import ConnectionLimits
from server.cors import Cors
from server.credentials import Browsers
from server.dispatcher import GRAPHQL, Dispatcher
from server.endpoint import Endpoint
from server.graph import Clock, Graph
from server.headers import ResponseHeaders
from server.hosts import Hosts
from server.limits import Limits
from server.metrics import PATH, Metrics, MetricsEndpoint
from server.persisted_operations import Trust
from server.proxies import Proxies
from server.request_guard import RequestGuard
from server.request_slots import RequestSlots
from server.shutdown import Shutdown
from server.socket import Sockets, SocketServices
from server.stream_slots import StreamLimits, StreamSlots
from settings import Settings

if TYPE_CHECKING:
    from server.traces import Traces


def create(settings: Settings, *, clock: Clock | None = None, traces: "Traces | None" = None) -> Starlette:
    """Create the application for one installation. It connects to the database at startup.

    Without a `clock`, the time is that of the database.
    """
    database_clock = DatabaseClock()
    clock = clock or database_clock
    config = configure(settings)
    # Set when mail is queued, so that the worker sends it at once and not at its next poll.
    wake = asyncio.Event()
    hub = Hub(clock)
    graph = Graph(
        schema.build(),
        config,
        development=settings.is_development,
        clock=clock,
        on_mail=wake.set,
        executor=_EXECUTORS[settings.executor],
        operation_limits=limits(settings),
        hub=hub,
        trust=Trust(settings.documents),
        caller_budget=Budget(settings.budget, settings.budget_per_second),
        operations_per_caller=settings.operations_per_caller,
    )
    shutdown_state = Shutdown(hub.close)
    browsers = Browsers(settings.is_https, frozenset(settings.allowed_origins), allows_loopback=settings.is_development)
    slots = StreamSlots(stream_limits(settings))
    request_slots = RequestSlots()
    endpoint = Endpoint(graph, browsers, slots, request_slots)
    metrics = Metrics(graph.cache_bytes, hub.__len__) if settings.metrics_token else None
    slow_seconds = settings.log_slow_ms / 1000
    access_log = AccessLog(
        log_filter=settings.log_operations, slow_seconds=slow_seconds, metrics=metrics, traces=traces
    )
    sockets = Sockets(SocketServices(graph=graph, hub=hub, access_log=access_log, browsers=browsers, slots=slots))
    routes: Sequence[BaseRoute] = [
        Route(GRAPHQL, endpoint, methods=["GET", "POST"]),
        WebSocketRoute(GRAPHQL, sockets),
        Route("/livez", health.live),
        Route("/readyz", health.ready(shutdown_state)),
        *(
            [Route(PATH, MetricsEndpoint(metrics, settings.metrics_token, clock))]
            if metrics and settings.metrics_token
            else []
        ),
        *(_development_routes(settings) if settings.is_development else []),
        *unsubscribe.routes(settings.secret_key, settings.public_url, clock),
        *(_panel_routes(settings) if settings.panel == "on" else []),
        *graphiql.routes(),
        *(route for routes_of in modules.graph_parts("ROUTES") for route in routes_of(config, clock)),
    ]
    application = Starlette(
        routes=routes,
        lifespan=lambda _: _lifespan(
            settings, config, clock, database_clock, wake, hub, shutdown_state, metrics, traces
        ),
        exception_handlers={
            HTTPException: error_response.http_exception,
            Exception: error_response.unexpected_exception,
        },
    )
    application.state.hub = hub
    application.state.operations = graph.operations
    application.state.stream_slots = slots
    application.state.request_slots = request_slots
    # The redirect of /graphql/ would use the host that the client sends.
    application.router.redirect_slashes = False
    # The outermost layers, so that Starlette's response to an unexpected error has the headers too.
    outer_app: ASGIApp = AccessLogMiddleware(Dispatcher(endpoint, application.build_middleware_stack()), access_log)
    if browsers.allowed_origins or browsers.allows_loopback:
        outer_app = Cors(outer_app, browsers.is_allowed_origin)
    application.middleware_stack = ResponseHeaders(outer_app, https=settings.is_https)
    return application


def limits(settings: Settings) -> Limits:
    """Return the limits of one request."""
    return Limits(
        tokens=settings.max_tokens,
        fields=settings.max_fields,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        directives=settings.max_directives,
        cost=settings.max_cost,
        seconds=settings.max_seconds,
    )


def stream_limits(settings: Settings) -> StreamLimits:
    """Return the limits of streams: in total half of the connections, and for one network a quarter of them."""
    return StreamLimits(
        per_user=settings.streams_per_user,
        per_network=min(settings.streams_per_network, settings.connections // 4),
        connections=settings.connections // 2,
    )


_EXECUTORS = {"compiled": execution.compiled_executor, "reference": execution.reference_executor}


def factory() -> Starlette:
    """Create the application from the environment. Each worker process calls this at start."""
    settings = environment.read(os.environ)
    log.configure(log_format=settings.log or ("text" if settings.is_development else "json"), level=settings.log_level)
    application = create(settings, traces=_traces())
    # Objects that exist now live as long as the process, so the garbage collector skips them. The threshold is
    # raised because a response of a few hundred rows would trigger a collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    return application


def _traces() -> "Traces | None":
    if not environment.has_traces(os.environ):
        return None
    from server.traces import Traces  # noqa: PLC0415 - its packages are optional

    return Traces()


def _panel_routes(settings: Settings) -> list[BaseRoute]:
    names = [module.name for module in modules.with_graph()]
    return panel.routes(is_development=settings.is_development, modules=names)


def _development_routes(settings: Settings) -> list[BaseRoute]:
    """Return the routes of development: the mailbox of unsent mail."""
    has_mailbox = settings.smtp_url is None
    return [*mailbox.routes(settings.secret_key, settings.public_url)] if has_mailbox else []


@asynccontextmanager
async def _lifespan(
    settings: Settings,
    config: OperationConfig,
    clock: Clock,
    database_clock: DatabaseClock,
    wake: asyncio.Event,
    hub: Hub,
    shutdown_state: Shutdown,
    metrics: Metrics | None,
    traces: "Traces | None",
) -> AsyncGenerator[dict[str, object]]:
    async with (
        db.connection(
            settings.database_url,
            SCHEMA,
            pool_size=settings.pool_size,
            per_caller=settings.operations_per_caller,
            on_statement=traces.record_statement if traces else None,
        ),
        database_clock.synchronized(),
        hub.open(),
        _mail(settings, config, clock, wake),
        _scheduled_jobs(config, clock, wake, metrics),
        _metrics_sampling(metrics),
    ):
        yield {
            connection.STATE_KEY: _request_guard(settings),
            connection_limits.STATE_KEY: ConnectionLimits(settings.connections, settings.connections_per_network),
            shutdown.STATE_KEY: shutdown_state,
        }
    if traces is not None:
        await traces.close()
    log.LOG.flush()


def _request_guard(settings: Settings) -> RequestGuard:
    """Return the checks that connections apply to requests."""
    return RequestGuard(
        Hosts(settings.allowed_hosts),
        Proxies(settings.trusted_proxies),
        keep_alive_seconds=settings.keep_alive_seconds,
    )


@asynccontextmanager
async def _scheduled_jobs(
    config: OperationConfig, clock: Clock, wake: asyncio.Event, metrics: Metrics | None
) -> AsyncGenerator[None]:
    """Run the scheduled jobs every minute, and the steps of modules."""
    stop = asyncio.Event()
    task = asyncio.create_task(
        scheduler.run(
            config, clock, stop=stop, wake=wake, on_success=metrics.record_job_success if metrics else scheduler.ignore
        )
    )
    steps_task = asyncio.create_task(scheduler.run_steps(config, clock, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(task, steps_task)


@asynccontextmanager
async def _metrics_sampling(metrics: Metrics | None) -> AsyncGenerator[None]:
    """Sample the gauges of this process periodically, if other processes serve them too."""
    if metrics is None or not metrics.is_multiprocess:
        yield
        return
    task = asyncio.create_task(metrics.sample_periodically())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _mail(settings: Settings, config: OperationConfig, clock: Clock, wake: asyncio.Event) -> AsyncGenerator[None]:
    """Run the worker that sends the outbox. In production without a mail server, mail stays in the outbox."""
    if settings.smtp_url is None and not settings.is_development:
        yield
        return
    mailer_config = worker.MailerConfig(
        server=smtp.parse(settings.smtp_url) if settings.smtp_url else None,
        operations=config,
        public_url=settings.public_url,
        mail_from=settings.mail_from,
        clock=clock,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(mailer_config, stop=stop, wake=wake))
    try:
        yield
    finally:
        stop.set()
        await task
