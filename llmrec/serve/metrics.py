"""What is counted and timed of a service, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServiceMetrics:
    """The counters, gauges and histograms of one service, in a registry that no other shares."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, CPU and open files, where the system tells
        self.requests = Counter("llmrec_requests", "Requests.", ["path", "status"], registry=registry)
        self.latency = Histogram(
            "llmrec_request_seconds", "Seconds of a request.", ["path"], buckets=SECONDS, registry=registry
        )
        self.batch_sizes = Histogram(
            "llmrec_batch_size", "Queries answered together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.user_vectors = Counter(
            "llmrec_user_vectors",
            "User vectors by where they came from: memory, session, model.",
            ["source"],
            registry=registry,
        )
        self.reasons = Counter(
            "llmrec_reasons",
            "Evidence of reasons, and words by an LLM, by where they came from: memory, model.",
            ["what", "source"],
            registry=registry,
        )
        self.events = Counter("llmrec_events", "Events by what became of them.", ["outcome"], registry=registry)
        self.reloads = Counter("llmrec_reloads", "Runs loaded anew.", ["outcome"], registry=registry)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when it is asked for."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Return all in Prometheus's text format."""
        return generate_latest(self.registry)


class Measured:
    """Counts and times every request of an application, by its route."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            # Routes, not paths: a stranger's paths would make labels without end.
            path = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.latency.labels(path).observe(time.perf_counter() - began)
