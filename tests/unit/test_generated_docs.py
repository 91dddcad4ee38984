"""Documents that are written from tables in the code are as fresh as the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.write_docs import MACHINES, diagram, documents


@pytest.mark.parametrize("path", documents(), ids=lambda path: Path(path).name)
def test_document_is_fresh(path: Path) -> None:
    assert path.read_text() == documents()[path], "run: make docs"


def test_every_machine_stands_in_the_lifecycle_document() -> None:
    (text,) = (text for path, text in documents().items() if path.name == "lifecycle.md")

    for table in MACHINES.values():
        assert diagram(table) in text
