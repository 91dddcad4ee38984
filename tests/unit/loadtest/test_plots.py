"""Plots are whole SVG that shows what was measured, and says it in words."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.plots import HEIGHT, LEFT, WIDTH, Curve, Plot, draw, thin, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parse(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(draw(plot))


def test_a_curve_is_a_line_from_left_to_right() -> None:
    svg = parse(Plot("Delay", "ms", [Curve("p99", [(0, 0), (5, None), (10, 20)])]))
    line = next(svg.iter("polyline"))
    corners = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert corners == [(LEFT, HEIGHT - 26), (WIDTH - 12, 12)]
    assert len(list(svg.iter("title"))) == 2
    assert "p99: mean 10, most 20" in svg.attrib["aria-label"]


def test_texts_from_elsewhere_cannot_become_markup() -> None:
    name = 'x"><script>alert(1)</script>'
    svg = parse(Plot(name, name, [Curve(name, [(0, 1), (1, 2)])], dots=[(1, 1)], marks=[(1, name)]))
    assert not list(svg.iter("script"))


def test_the_threshold_is_drawn_where_it_says_something() -> None:
    def has_line(limit: float) -> bool:
        svg = parse(Plot("x", "", [Curve("c", [(0, 10.0), (1, 10.0)])], limit=limit))
        return any(line.attrib["class"] == "limit" for line in svg.iter("line"))

    assert has_line(10) and has_line(25)
    assert not has_line(1000), "it would flatten the curve"


def test_thinning_keeps_the_highest() -> None:
    points = [(float(index), float(index % 1000 == 777) * 9) for index in range(5000)]
    kept = thin(points, 100)
    assert len(kept) <= 100
    assert sum(value == 9 for _, value in kept) == 5


def test_nothing_to_draw_is_known() -> None:
    assert Plot("x", "", [Curve("c", [(0, None)])]).is_empty
    assert not Plot("x", "", dots=[(0, 1)]).is_empty


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_ticks_reach_the_top_in_few_round_steps(top: float) -> None:
    values = ticks(top)
    assert values[0] == 0 and values[-1] >= top * 0.999999
    assert 2 <= len(values) <= 7 and values == sorted(values)


@pytest.mark.parametrize("top", [0, -1, float("nan"), float("inf")])
def test_ticks_of_nothing(top: float) -> None:
    assert ticks(top) == [0, 1]
