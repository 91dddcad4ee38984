"""Locks the process of a kep worker down, for good, and proves each prohibition on itself.

`lock_down` is the only entry. There is no partial mode: it returns a report, or raises. `faults_of`
judges what another process reports.
"""

from recording_policy.sandbox.lock_down import (
    SandboxRefused,
    SandboxReport,
    lock_down,
    prove_again,
)
from recording_policy.sandbox.statement import (
    REQUIRED_PROHIBITIONS,
    SandboxStatement,
    faults_of,
)

__all__ = [
    "REQUIRED_PROHIBITIONS",
    "SandboxRefused",
    "SandboxReport",
    "SandboxStatement",
    "faults_of",
    "lock_down",
    "prove_again",
]
