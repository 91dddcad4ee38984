"""`python -m tests.bench [PART…]`: measure, print the table, write it down. Parts: see `PARTS`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.bench.big_room import measure_big_room
from tests.bench.booking import measure_booking
from tests.bench.calls import measure_calls
from tests.bench.delay import measure_delay
from tests.bench.e2ee import measure_e2ee
from tests.bench.fan_out import measure_fan_out
from tests.bench.figures import (
    Figure,
    machine,
    markdown_table,
    replace_table,
    step_forward,
    text_table,
    write_json,
)
from tests.bench.guarantee import measure_guarantee
from tests.bench.institutions import measure_institutions
from tests.bench.janus import measure_janus
from tests.bench.joins import measure_joins
from tests.bench.kep_peak import measure_kep_peak
from tests.bench.packets import measure_packets

PARTS = {
    "fan_out": measure_fan_out,
    "packets": measure_packets,
    "janus": measure_janus,
    "calls": measure_calls,
    "joins": measure_joins,
    "delay": measure_delay,
    "kep_peak": measure_kep_peak,
    "big_room": measure_big_room,
    "guarantee": measure_guarantee,
    "e2ee": measure_e2ee,
    "booking": measure_booking,
    "institutions": measure_institutions,
}
JSON_PATH = Path("var/bench.json")
DOCUMENT = Path("docs/benchmarks.md")


def main(wanted: list[str]) -> int:
    """Measure the parts named, all without names. The exit status says whether every bar holds."""
    unknown = set(wanted) - set(PARTS)
    if unknown:
        print(f"tests.bench: no such part: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    # Children inherit the first; those that start sessions of their own need the second.
    with contextlib.suppress(OSError):
        os.nice(-10)
    step_forward([os.getpid()])
    where = machine()
    print(where, flush=True)
    figures, failed = _measure(wanted or list(PARTS))
    print(text_table(figures))
    if not wanted:
        write_json(JSON_PATH, figures)
        without = f" Without a figure: {', '.join(failed)}." if failed else ""
        table = f"\n{where}.{without}\n\n{markdown_table(figures)}\n"
        DOCUMENT.write_text(
            replace_table(DOCUMENT.read_text(encoding="utf-8"), table), encoding="utf-8"
        )
    return 1 if failed or any(figure.holds is False for figure in figures.values()) else 0


def _measure(names: Sequence[str]) -> tuple[dict[str, Figure], list[str]]:
    """Return the figures, and the parts that gave none: one must not cost the others."""
    figures: dict[str, Figure] = {}
    failed = []
    for name in names:
        started = time.monotonic()
        print(f"{name}:", flush=True)
        try:
            figures |= PARTS[name](lambda line: print(f"  {line}", flush=True))
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"  {name}: {time.monotonic() - started:.0f} s", flush=True)
    return figures, failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
