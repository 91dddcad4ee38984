"""Walking a page with the Tab key alone, and saying what is wrong with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from playwright.async_api import Page

SCRIPT = Path(__file__).with_name("tab_walk.js")
EXTRA_STEPS = 40
"""Browsers make scrolling regions and parts of date fields stops as well."""


async def tab_problems(page: Page, root: str = "body") -> list[str]:
    """Press Tab through everything within `root` that can be pressed or filled in.

    Returns what is not reached, comes out of order, does not show that it has the focus, or has it
    under something else.
    """
    await page.evaluate(await asyncio.to_thread(SCRIPT.read_text, encoding="utf-8"))
    names: list[str] = await page.evaluate("(root) => tabWalk.prepare(root)", root)
    reached: list[int] = []
    problems = []
    for _ in range(3 * len(names) + EXTRA_STEPS):
        await page.keyboard.press("Tab")
        seen: dict[str, Any] = await page.evaluate("tabWalk.step()")
        place = int(seen["place"])
        if place < 0 or place in reached[-1:]:
            continue  # part of a field, or outside
        if place in reached:
            break
        reached.append(place)
        if not seen["shows"]:
            problems.append(f"{names[place]} does not show the focus")
        if not seen["uncovered"]:
            problems.append(f"{names[place]} has the focus where nobody sees it")
        if len(reached) == len(names):
            break
    problems += [f"{name} is not reached" for at, name in enumerate(names) if at not in reached]
    # Within a dialog it begins behind what had the focus, and goes round.
    first = reached.index(min(reached)) if reached else 0
    if reached[first:] + reached[:first] != sorted(reached):
        problems.append(f"out of order: {[names[place] for place in reached]}")
    return problems
