"""Merkle trees over hashes of entries (RFC 9162 §2.1): one root stands for all, a short path proves one.

A receipt shows some entries of a call and withholds the others; the root in the closing entry binds
them all. The other side of it, checking a path, is in `verify.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from recording_policy.verify import leaf_hash, node_hash

EMPTY_ROOT = "0" * 64


def root_of(hashes: Sequence[str]) -> str:
    """Return the root over the entries' hashes, in their order. O(n)."""
    return _root([leaf_hash(each) for each in hashes]) if hashes else EMPTY_ROOT


def path_of(index: int, hashes: Sequence[str]) -> list[str]:
    """Return the siblings from the entry `index` up to the root, O(log n) of them.

    Raises:
        IndexError: there is no such entry.
    """
    if not 0 <= index < len(hashes):
        raise IndexError(index)
    return _path(index, [leaf_hash(each) for each in hashes])


def _root(leaves: Sequence[str]) -> str:
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return node_hash(_root(leaves[:half]), _root(leaves[half:]))


def _path(index: int, leaves: Sequence[str]) -> list[str]:
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*_path(index, leaves[:half]), _root(leaves[half:])]
    return [*_path(index - half, leaves[half:]), _root(leaves[:half])]


def _half(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
