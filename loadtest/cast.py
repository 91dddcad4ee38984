"""All participants of a run, and the agents that carry their media."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtest.agent import Agent
from loadtest.expectation import name_of
from loadtest.media import prepare_loops
from loadtest.negotiation import Behaviour
from loadtest.participant import JoinFailed, Participant
from loadtest.tokens import TokenRefused, TokenSource, token_source

FIRST_MEDIA_TIMEOUT_S = 10.0
"""After this a participant that got no media counts as failed."""
LEAVE_TIMEOUT_S = 20.0
"""For everybody to leave: a service that hangs does not hold the report up."""


@dataclass(frozen=True)
class Target:
    """The service under test."""

    url: str
    """http:// or https://, without a slash at the end."""
    token_command: str | None = None
    """Prints a token; None asks the service."""
    secret: str | None = None
    """Of the service's entrance for load tests; None uses the demo entrance, "" none is needed."""
    agent_address: str | None = None
    """What agents bind their sockets to."""
    agents: int = 1
    """Load agent processes; participants of a room share one."""


class Cast:
    """Everybody there is or was."""

    def __init__(
        self, target: Target, http: aiohttp.ClientSession, agents: Sequence[Agent],
        tokens: TokenSource,
    ) -> None:  # fmt: skip
        self.target = target
        self.agents = agents
        self.participants: list[Participant] = []
        self.failures: dict[str, str] = {}
        self._http = http
        self._tokens = tokens
        self._room_numbers: dict[str, int] = {}

    @property
    def agent(self) -> Agent:
        """The first agent."""
        return self.agents[0]

    async def join(self, room: str, behaviour: Behaviour) -> Participant:
        """Add one participant to `room` and let it enter. A failure is noted, not raised."""
        participant = self.add(room, behaviour, len(self.participants) + 1)
        await self.enter(participant, room)
        return participant

    def add(self, room: str, behaviour: Behaviour, number: int) -> Participant:
        """Return a new participant, not in the room yet; `number` is used once."""
        room_number = self._room_numbers.setdefault(room, len(self._room_numbers) + 1)
        participant = Participant(
            number=number,
            room_number=room_number,
            name=name_of(number),
            behaviour=behaviour,
            agent=self.agents[room_number % len(self.agents)],
            http=self._http,
            url=self.target.url,
        )
        self.participants.append(participant)
        return participant

    async def enter(self, participant: Participant, room: str) -> None:
        """Let it enter. A failure is noted, not raised."""
        try:
            role = participant.behaviour.role
            await participant.join(await self._tokens.token(room, participant.name, role))
        except TimeoutError:
            participant.failure = "token: no answer"
        except (JoinFailed, TokenRefused, aiohttp.ClientError, OSError) as error:
            participant.failure = participant.failure or f"{error}"

    async def wait_for_media(self, participants: Sequence[Participant]) -> None:
        """Wait until each has its first media packet, or has failed, or the time is over."""
        waiting = [each.first_media.wait() for each in participants if each.failure is None]
        with contextlib.suppress(TimeoutError):  # those that never got media are counted later
            async with asyncio.timeout(FIRST_MEDIA_TIMEOUT_S):
                await asyncio.gather(*waiting)

    async def reports(self, *, resets: bool = False) -> list[dict[str, Any]]:
        """Return the report of each agent.

        Raises:
            AgentFailed: one is dead, or does not answer.
        """
        return list(await asyncio.gather(*(each.report(resets=resets) for each in self.agents)))

    async def leave(self) -> None:
        """Have everybody leave."""
        self.failures = {each.name: each.failure for each in self.participants if each.failure}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await asyncio.gather(*(each.leave() for each in self.participants))


@asynccontextmanager
async def open_cast(target: Target) -> AsyncIterator[Cast]:
    """Start agents and sessions for `target`; at the end everybody leaves.

    Raises:
        AgentFailed: an agent does not start.
    """
    loops = await asyncio.to_thread(prepare_loops)
    agents = [Agent(target.agent_address) for _ in range(target.agents)]
    async with open_http(target) as http:
        cast = Cast(target, http, agents, token_source(http, target))
        try:
            for agent in agents:
                await agent.start(loops)
            yield cast
        finally:
            await cast.leave()
            await asyncio.gather(*(agent.stop() for agent in agents))


@asynccontextmanager
async def open_http(target: Target) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session without a limit of connections."""
    timeout = aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


HTTP_TIMEOUT_S = 15.0
"""Of one request; sockets live as long as they like."""
