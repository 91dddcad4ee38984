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
        name = f"{report['name']}-{stamp}"
        json_path, html_path = folder / f"{name}.json", folder / f"{name}.html"
    if json_path is not None:
        _write(json_path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    if html_path is not None:
        _write(html_path, write_html(report))
    return [path for path in (json_path, html_path) if path is not None]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
