"""The control plane's metrics are those of the one table."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from sfu.metrics import SIGNALING
from signaling.metrics import SignalingMetrics


def test_every_metric_of_the_control_plane_stands_in_the_table_with_its_help() -> None:
    registry = CollectorRegistry()
    SignalingMetrics(registry)

    counted = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type): (
            family.documentation
        )
        for family in registry.collect()
    }

    assert counted == {(row.name, str(row.type)): row.help for row in SIGNALING}
