"""`/healthz`, `/readyz`, `/metrics`: for load balancers and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from sfu.errors import SfuError
from sfu.metrics import WorkerReport, families
from sfu.rpc_messages import WorkerStatistics
from sfu.values import RoomClass
from signaling.audit.calls import CallAudit
from signaling.worker_link import RoomDirectory, WorkerLink

STATISTICS_TIMEOUT_S = 2.0
"""A worker that does not answer by then is reported as down."""


class Health:
    """Handlers for machines."""

    def __init__(
        self,
        directory: RoomDirectory,
        registry: CollectorRegistry,
        may_read_metrics: Callable[[web.Request], bool],
        audit: CallAudit | None = None,
    ) -> None:
        self._directory = directory
        self._registry = registry
        self._may_read_metrics = may_read_metrics
        self._audit = audit

    async def healthz(self, request: web.Request) -> web.Response:
        """Answer 200 while the event loop runs."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """Answer 200 when every media worker is connected and adopted and kep calls can be audited,
        else 503. With `?room_class=council` or `kep`: for rooms of that class only, so that a
        balancer need not take council sessions away for want of kep calls."""
        asked = request.query.get("room_class")
        classes = {each: self._is_class_ready(each) for each in self._classes()}
        if asked is not None and asked not in classes:
            raise web.HTTPNotFound()
        is_ready = all(classes.values()) if asked is None else classes[RoomClass(asked)]
        headers = {} if is_ready else {"Retry-After": "1"}
        return web.json_response(
            {
                "ready": is_ready,
                "workers": {link.address.name: link.is_ready for link in self._directory.links},
                "classes": classes,
                "audit": self._audit is not None and not self._audit.problem,
            },
            status=200 if is_ready else 503,
            headers=headers,
        )

    def _classes(self) -> list[RoomClass]:
        return sorted({link.address.room_class for link in self._directory.links})

    def _is_class_ready(self, room_class: RoomClass) -> bool:
        links = [link for link in self._directory.links if link.address.room_class is room_class]
        is_audited = self._audit is not None and not self._audit.problem
        return all(link.is_ready for link in links) and (
            room_class is not RoomClass.KEP or is_audited
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer Prometheus: this process, and one coherent snapshot of each worker."""
        if not self._may_read_metrics(request):
            raise web.HTTPNotFound()
        links = self._directory.links
        snapshots = await asyncio.gather(*(_statistics(link) for link in links))
        reports = [
            WorkerReport(link.address.name, link.restarts, statistics)
            for link, statistics in zip(links, snapshots, strict=True)
        ]
        snapshot_registry = CollectorRegistry()
        snapshot_registry.register(_WorkerCollector(reports))
        body = generate_latest(self._registry) + generate_latest(snapshot_registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def _statistics(link: WorkerLink) -> WorkerStatistics | None:
    try:
        async with asyncio.timeout(STATISTICS_TIMEOUT_S):
            return await link.statistics()
    except (SfuError, TimeoutError):
        return None


class _WorkerCollector(Collector):
    """Yields the metrics of one scrape."""

    def __init__(self, reports: Iterable[WorkerReport]) -> None:
        self._reports = tuple(reports)

    def collect(self) -> Iterable[Metric]:
        return families(self._reports)
