"""Memory that is given back is overwritten at once: a freed key is no key.

The C library does it if it is told so before the process starts (mallopt(3), `M_PERTURB`; the cache of
each thread, which would go round it, is off), and Python's own small blocks go through it too. What is
on the stack of a thread is not covered: `sfu.worker_media` overwrites the engine's.
"""

from __future__ import annotations

import ctypes

ENVIRONMENT = (
    "GLIBC_TUNABLES=glibc.malloc.perturb=42:glibc.malloc.tcache_count=0"
    ":glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1",
    "PYTHONMALLOC=malloc",
)
"""What a kep worker is started with."""
BLOCK_BYTES = 256
LINKS_BYTES = 32
"""At the start of a freed block the C library writes its own links."""


def is_overwritten_when_freed() -> bool:
    """Tell whether a block holds nothing any more once it is freed, by looking."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    mark = b"\xa5" * BLOCK_BYTES
    # The second keeps the first from being joined with what lies behind it and given back.
    block, guard = libc.malloc(BLOCK_BYTES), libc.malloc(BLOCK_BYTES)
    seen = (ctypes.c_ubyte * (BLOCK_BYTES - LINKS_BYTES)).from_address(block + LINKS_BYTES)
    ctypes.memmove(block, mark, BLOCK_BYTES)
    libc.free(block)
    is_clear = 0xA5 not in bytes(seen)
    libc.free(guard)
    return is_clear
