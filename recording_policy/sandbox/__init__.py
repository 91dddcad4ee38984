"""Locks the process of a kep worker down, for good, and proves each prohibition on itself.

`lock_down` is the only entry. There is no partial mode: it returns a report, or raises.
"""

from recording_policy.sandbox.lock_down import (
    REQUIRED_PROHIBITIONS,
    SandboxRefused,
    SandboxReport,
    lock_down,
)

__all__ = ["REQUIRED_PROHIBITIONS", "SandboxRefused", "SandboxReport", "lock_down"]
