"""What a monitoring system reads: how many requests, how long, with what result.

    kat_requests_total{method, route, status}                    counter
    kat_request_duration_seconds{method, route}                  histogram

Labels are a known method, a route's template and a status: never a path, an id or a client. Several worker
processes add up through files in PROMETHEUS_MULTIPROC_DIR, which must be set before this module is imported.

Source: https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

import os
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST

REQUESTS = Counter("kat_requests", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "kat_request_duration_seconds", "Time to answer.", ["method", "route"], buckets=BUCKETS_S
)


def observe(method: str, route: str | None, status: int, duration_s: float) -> None:
    """Count one answered request. ``route`` is the template, None where no route matched."""
    requests, duration = _series(method if method in METHODS else "OTHER", route or "unrouted", status)
    requests.inc()
    duration.observe(duration_s)


def render() -> bytes:
    """Write the figures of all worker processes in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # its package types only half of itself
    return generate_latest(registry)


@lru_cache(maxsize=4096)
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), DURATION.labels(method, route)
