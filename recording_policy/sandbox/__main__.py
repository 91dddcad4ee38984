"""`python -m recording_policy.sandbox 2>&1 | cat`: lock this process down and print what was refused it.

For operators (does this kernel do?) and auditors (what is refused, call by call?). Through a pipe,
because a locked process may not hold a file. Exit status: 0 locked, 77 not.
"""

from __future__ import annotations

import os
import sys

from recording_policy.sandbox import SandboxRefused, kernel, lock_down
from recording_policy.sandbox.forbidden import FORBIDDEN_CALLS

EXIT_UNLOCKED = 77


def main() -> int:
    """Lock down and report."""
    try:
        report = lock_down()
    except SandboxRefused as refusal:
        print(f"NOT LOCKED DOWN  {refusal}", file=sys.stderr)
        return EXIT_UNLOCKED
    numbers = kernel.architecture().numbers
    for name in report.prohibitions:
        tried = dict.fromkeys(call for call, _ in FORBIDDEN_CALLS.get(name, []) if call in numbers)
        print(f"refused  {name}{': ' if tried else ''}{', '.join(tried)}")
    statement = report.statement
    print(f"code     {statement.code}, filter {statement.seccomp_filter}")
    print(
        f"LOCKED DOWN  process {os.getpid()}: {len(report.prohibitions)} prohibitions, "
        f"Landlock ABI {report.landlock_abi}, {report.duration_s * 1000:.1f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
