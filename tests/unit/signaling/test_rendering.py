"""What the filters of the pages' templates write."""

import pytest

from signaling.rendering import file_size


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 kB"),
        (50, "1 kB"),
        (999_001, "1000 kB"),
        (1_000_000, "1 MB"),
        (1_000_001, "2 MB"),
    ],
)
def test_a_file_size_is_rounded_up(size_bytes: int, shown: str) -> None:
    assert file_size(size_bytes) == shown
