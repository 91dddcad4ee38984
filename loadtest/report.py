"""Writes the reports: JSON for machines, one HTML page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.html_report import write_html


def write_reports(
    report: Mapping[str, Any], folder: Path | None, json_path: Path | None, html_path: Path | None
) -> list[Path]:
    """Write into `folder`, or to the paths that are given; return what was written."""
    if folder is not None:
        stamp = report["run"]["started_at"].replace(":", "").replace("+0000", "Z")
        base = folder / f"{report['name']}-{stamp}"
        json_path, html_path = base.with_suffix(".json"), base.with_suffix(".html")
    texts = {
        json_path: lambda: json.dumps(report, indent=2, ensure_ascii=False) + "\n",
        html_path: lambda: write_html(report),
    }
    written = []
    for path, write in texts.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(), encoding="utf-8")
            written.append(path)
    return written
