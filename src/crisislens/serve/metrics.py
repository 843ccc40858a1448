"""Counters for Prometheus: requests by route and status, how long they took, posts accepted and reviewed, and
how many wait. Names begin with `crisislens_`.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


_Numbers = Callable[[], Mapping[str, float]]


class _Gauges(Collector):
    """What is asked of the store at the moment of reading: posts by state, and how old the oldest waits."""

    def __init__(
        self, read: Callable[[], Mapping[str, float]], lags: Callable[[], Mapping[str, float]]
    ) -> None:
        self._read, self._lags = read, lags

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges of this moment."""
        posts = GaugeMetricFamily("crisislens_posts", "Posts in the store by state", labels=["state"])
        for state, count in self._read().items():
            posts.add_metric([state], count)
        yield posts
        text = "Seconds since the last new post of a source that is read"
        lags = GaugeMetricFamily("crisislens_source_lag_seconds", text, labels=["source"])
        for name, seconds in self._lags().items():
            lags.add_metric([name], seconds)
        yield lags


class Metrics:
    """The counters of one service; a registry of its own, so that several in one process do not meet.

    Arguments:
        posts_by_state: Asked whenever the counters are read.
        lags: The same, of sources.
    """

    def __init__(
        self,
        posts_by_state: _Numbers | None = None,
        lags: _Numbers = dict,
    ) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "crisislens_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "crisislens_request_seconds",
            "How long requests took",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.accepted = Counter(
            "crisislens_posts_accepted", "Posts taken in, by outcome", ["outcome"], registry=self.registry
        )
        self.reviews = Counter("crisislens_reviews", "Reviews by people", registry=self.registry)
        if posts_by_state is not None:
            self.registry.register(_Gauges(posts_by_state, lags))

    def count(self, method: str, route: str, status: int, took_s: float) -> None:
        """Counts one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(took_s)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
