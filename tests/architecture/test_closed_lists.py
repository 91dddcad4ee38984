"""Closed lists (drop reasons, error codes, metrics) are documented whole."""

from __future__ import annotations

import re

from sfu.metrics import METRICS
from signaling.errors import ErrorCode
from tests.support.repository import ROOT

DROP_REASONS = ROOT / "sfu/native/engine/src/drop_reason.rs"
MANY = 10
"""Fewer found than this means that the test looks in the wrong place."""


def test_every_drop_reason_is_documented() -> None:
    labels = re.findall(r'=> "([a-z0-9_]+)"', DROP_REASONS.read_text(encoding="utf-8"))
    assert len(labels) > MANY
    assert _undocumented(labels) == []


def test_every_metric_is_documented() -> None:
    names = [row.name for row in METRICS]
    assert len(names) > MANY
    assert _undocumented(names) == []


def test_every_wire_code_is_documented() -> None:
    values = [code.value for code in ErrorCode]
    assert len(values) > MANY
    protocol = (ROOT / "docs/signaling-protocol.md").read_text(encoding="utf-8")
    assert [value for value in values if f"`{value}`" not in protocol] == []


def _undocumented(names: list[str]) -> list[str]:
    """Names that no document has in code type. A metric may have its unit's or counter's suffix."""
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))
    )
    documented = set(re.findall(r"`([a-z0-9_]+)(?:\{[^`]*\})?`", text))
    return [name for name in names if not {name, f"{name}_total"} & documented]
