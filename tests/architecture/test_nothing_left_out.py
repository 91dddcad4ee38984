"""No test is left out in silence: there is one way to do it, and in CI that fails."""

from __future__ import annotations

import re

import pytest

from tests.support.leaving_out import leave_out
from tests.support.repository import relative, tracked

LEFT_OUT = {
    ".py": re.compile(r"pytest\.(skip|importorskip)\(|mark\.skip|unittest\.skip"),
    ".rs": re.compile(r"#\[ignore"),
    ".mjs": re.compile(r"\b(test|it|describe)\.(skip|todo)\(|\b(skip|todo): "),
}


def test_tests_are_left_out_in_one_way_only() -> None:
    found: set[str] = set()
    for suffix, pattern in LEFT_OUT.items():
        sources = tracked(suffix)
        assert sources, suffix
        found |= {relative(each) for each in sources if pattern.search(each.read_text("utf-8"))}
    assert found == {"tests/support/leaving_out.py"}


def test_what_would_be_left_out_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing is left out: no disk"):
        leave_out("no disk")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no disk"):
        leave_out("no disk")
