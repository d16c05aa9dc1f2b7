"""The composition root: settings in, a running application out."""

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

import schema
import settings as environment
from database import db
from mailer import mailbox, scheduler, smtp, worker
from models.base.caller import OperationConfig
from models.live.hub import Hub
from models.tables import SCHEMA
from server import connection, error_response, execution, graphiql, health, log, pages
from server.access_log import AccessLog, AccessLogMiddleware
from server.budget import Budget
from server.cors import Cors
from server.credentials import Browsers
from server.dispatcher import GRAPHQL, Dispatcher
from server.endpoint import Endpoint
from server.graph import Clock, Graph, utc_now
from server.headers import Headers
from server.hosts import Hosts
from server.limits import Limits
from server.metrics import PATH, Metrics, MetricsEndpoint
from server.persisted_operations import Trust
from server.proxies import Proxies
from server.request_guard import RequestGuard
from server.shutdown import STATE as LEAVING
from server.shutdown import Shutdown
from server.socket import Sockets, SocketServices
from settings import Settings

if TYPE_CHECKING:
    from server.traces import Traces


def create(settings: Settings, *, clock: Clock = utc_now, traces: "Traces | None" = None) -> Starlette:
    """The application for one installation; it opens the database when it starts."""
    site = OperationConfig(link_key=settings.secret_key, trial_days=settings.trial_days, free_seats=settings.free_seats)
    # Set when there is mail, so that it leaves at once and not when the worker looks again.
    wake = asyncio.Event()
    hub = Hub(clock)
    graph = Graph(
        schema.build(),
        site,
        development=settings.is_development,
        clock=clock,
        on_mail=wake.set,
        executor=_EXECUTORS[settings.executor],
        most=limits(settings),
        hub=hub,
        trust=Trust(settings.documents),
        budgets=Budget(settings.budget, settings.budget_per_second),
    )
    leaving = Shutdown(hub.close)
    browsers = Browsers(settings.is_https, frozenset(settings.allowed_origins))
    endpoint = Endpoint(graph, browsers)
    metrics = Metrics(graph.sizes, hub.__len__) if settings.metrics_token else None
    slow_seconds = settings.log_slow_ms / 1000
    journal = AccessLog(which=settings.log_operations, slow_seconds=slow_seconds, metrics=metrics, traces=traces)
    sockets = Sockets(SocketServices(graph=graph, hub=hub, journal=journal, browsers=browsers))
    routes: Sequence[BaseRoute] = [
        Route(GRAPHQL, endpoint, methods=["GET", "POST"]),
        WebSocketRoute(GRAPHQL, sockets),
        Route("/livez", health.live),
        Route("/readyz", health.ready(leaving)),
        *(
            [Route(PATH, MetricsEndpoint(metrics, settings.metrics_token, clock))]
            if metrics and settings.metrics_token
            else []
        ),
        *(_development(settings) if settings.is_development else []),
        *graphiql.routes(),
    ]
    application = Starlette(
        routes=routes,
        lifespan=lambda _: _lifespan(settings, site, clock, wake, hub, leaving, metrics, traces),
        exception_handlers={HTTPException: error_response.http, Exception: error_response.unexpected},
    )
    application.state.hub = hub
    # It would redirect /graphql/ to whatever host the client names.
    application.router.redirect_slashes = False
    # Around everything: what Starlette answers to an unexpected error has the headers too.
    served: ASGIApp = AccessLogMiddleware(Dispatcher(endpoint, application.build_middleware_stack()), journal)
    if browsers.allowed:
        served = Cors(served, browsers.allowed)
    application.middleware_stack = Headers(served, https=settings.is_https)
    return application


def limits(settings: Settings) -> Limits:
    """What the installation takes of one request."""
    return Limits(
        tokens=settings.max_tokens,
        fields=settings.max_fields,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        directives=settings.max_directives,
        cost=settings.max_cost,
        seconds=settings.max_seconds,
    )


_EXECUTORS = {"compiled": execution.compiled, "reference": execution.reference}


def factory() -> Starlette:
    """The application that the environment asks for: what each worker process starts."""
    settings = environment.read(os.environ)
    log.configure(form=settings.log or ("text" if settings.is_development else "json"), level=settings.log_level)
    application = create(settings, traces=_traces())
    # What is loaded by now stays: the collector need not walk it again, nor run at every few hundred
    # rows of an answer.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    return application


def _traces() -> "Traces | None":
    if not environment.traces(os.environ):
        return None
    from server.traces import Traces  # noqa: PLC0415 - its packages are installed where somebody wants it

    return Traces()


def _development(settings: Settings) -> list[BaseRoute]:
    """What only development has: pages for the mailed links, and the mailbox of unsent mail."""
    has_mailbox = settings.smtp_url is None
    letters = mailbox.routes(settings.secret_key, settings.public_url) if has_mailbox else []
    return [*pages.routes(), *letters]


@asynccontextmanager
async def _lifespan(
    settings: Settings,
    site: OperationConfig,
    clock: Clock,
    wake: asyncio.Event,
    hub: Hub,
    leaving: Shutdown,
    metrics: Metrics | None,
    traces: "Traces | None",
) -> AsyncGenerator[dict[str, object]]:
    async with (
        db.connection(
            settings.database_url, SCHEMA, pool_size=settings.pool_size, watch=traces.statement if traces else None
        ),
        hub.open(),
        _mail(settings, clock, wake),
        _rounds(site, clock, wake, metrics),
        _looks(metrics),
    ):
        yield {connection.STATE: _gate(settings), LEAVING: leaving}
    if traces is not None:
        await traces.close()
    log.LOG.flush()


def _gate(settings: Settings) -> RequestGuard:
    """Whom the connections let in."""
    return RequestGuard(
        Hosts(settings.allowed_hosts),
        Proxies(settings.trusted_proxies),
        keep_alive_seconds=settings.keep_alive_seconds,
        most_connections=settings.connections,
    )


@asynccontextmanager
async def _rounds(
    site: OperationConfig, clock: Clock, wake: asyncio.Event, metrics: Metrics | None
) -> AsyncGenerator[None]:
    """The clock's jobs, every minute."""
    stop = asyncio.Event()
    task = asyncio.create_task(
        scheduler.run(site, clock, stop=stop, wake=wake, done=metrics.job_done if metrics else scheduler.nobody)
    )
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def _looks(metrics: Metrics | None) -> AsyncGenerator[None]:
    """What this process holds, noted down for the others, whichever of them is asked."""
    if metrics is None or not metrics.is_shared:
        yield
        return
    task = asyncio.create_task(metrics.keep_looking())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _mail(settings: Settings, clock: Clock, wake: asyncio.Event) -> AsyncGenerator[None]:
    """The worker that sends the outbox; in production without a mail server nothing is sent."""
    if settings.smtp_url is None and not settings.is_development:
        yield
        return
    office = worker.MailerConfig(
        server=smtp.parse(settings.smtp_url) if settings.smtp_url else None,
        link_key=settings.secret_key,
        public_url=settings.public_url,
        mail_from=settings.mail_from,
        clock=clock,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(office, stop=stop, wake=wake))
    try:
        yield
    finally:
        stop.set()
        await task
