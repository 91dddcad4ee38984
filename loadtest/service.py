"""Before a run: is the service there, has it the rooms, do people fit, can this machine do it."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from typing import Any

import aiohttp

from loadtest.cast import Target
from loadtest.plan import Plan
from loadtest.scenario import Scenario
from loadtest.tokens import LOADTEST_PATH, authorization, refusal_of

SPARE_FILES = 200
"""Open files besides one for each participant."""


class CannotRun(Exception):
    """The run cannot take place; the text says why and the remedy."""


async def find_rooms(
    http: aiohttp.ClientSession, target: Target, scenario: Scenario, plan: Plan
) -> Sequence[str]:
    """Return the ids of the rooms to fill.

    Raises:
        CannotRun: the service is away, refuses, or is too small.
    """
    await _check_ready(http, target)
    if scenario.rooms.ids:
        return scenario.rooms.ids
    described = await _describe(http, target)
    offered = described[scenario.rooms.room_class.value]
    check_size(scenario, plan, offered)
    return list(offered["rooms"][: plan.rooms])


def check_size(scenario: Scenario, plan: Plan, offered: dict[str, Any]) -> None:
    """Compare with what the service tells of the scenario's class.

    Raises:
        CannotRun: too many rooms or people.
    """
    room_class = scenario.rooms.room_class
    has = len(offered["rooms"])
    if plan.rooms > has:
        raise CannotRun(
            f"the scenario needs {plan.rooms} rooms of class {room_class}, the service has {has}: "
            f"set loadtest.{room_class}_rooms = {plan.rooms} in its configuration, or run it "
            "smaller with --rooms or --scale"
        )
    if scenario.largest_room > offered["room_capacity"]:
        raise CannotRun(
            f"{scenario.largest_room} people in one room: a {room_class} room of this service "
            f"admits {offered['room_capacity']}: use a lower --scale or per_room"
        )
    if plan.most_at_once > offered["total_capacity"]:
        raise CannotRun(
            f"{plan.most_at_once} people at once: the service's workers of class {room_class} "
            f"admit {offered['total_capacity']}: add a worker, or use a lower --scale"
        )


def allow_open_files(people: int) -> None:
    """Raise the limit of open files as far as `people` need and the machine allows.

    Raises:
        CannotRun: it does not allow as many.
    """
    wanted = people + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise CannotRun(
            f"{people} people need {wanted} open files, this machine allows {hard}: raise "
            "`ulimit -Hn`, or use a lower --scale"
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _check_ready(http: aiohttp.ClientSession, target: Target) -> None:
    try:
        async with http.get(f"{target.url}/readyz") as response:
            if response.status == 503:
                raise CannotRun(
                    f"{target.url} is not ready: {' '.join((await response.text())[:300].split())}"
                )
            if response.status != 200:
                raise CannotRun(
                    f"{target.url}/readyz answers {response.status}: is this a Synedrion service?"
                )
    except aiohttp.InvalidURL as error:
        raise CannotRun(f"--url {target.url}: is no address of a service") from error
    except TimeoutError as error:
        raise CannotRun(f"{target.url} does not answer") from error
    except (aiohttp.ClientError, OSError) as error:
        raise CannotRun(
            f"{target.url} cannot be reached: {_reason(error)}: start the service, or give its "
            "address with --url"
        ) from error


async def _describe(http: aiohttp.ClientSession, target: Target) -> dict[str, Any]:
    if target.secret is None:
        raise CannotRun("name rooms with --room, or leave --token-command out")
    headers = authorization(target.secret)
    async with http.get(f"{target.url}{LOADTEST_PATH}", headers=headers) as response:
        if response.status == 404:
            raise CannotRun(
                f"{target.url} has no rooms for load tests: set [loadtest] enabled = true in its "
                "configuration (docs/loadtest.md), or name rooms of its demo entrance with --room"
            )
        if response.status == 401:
            raise CannotRun(
                f"{target.url} refuses the secret of its load-test rooms: give the right one with "
                "--secret-file"
            )
        if response.status != 200:
            raise CannotRun(f"{target.url}{LOADTEST_PATH}: {await refusal_of(response)}")
        described: dict[str, Any] = await response.json()
        return described


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    return getattr(inner, "strerror", None) or str(error)
