"""The media worker process: joins rooms, engine, handshakes and RPC. A shell; decisions are
elsewhere.

`python -m sfu.worker [FILE]` reads a `WorkerConfig` as JSON or TOML from FILE, or JSON from stdin.
Everything runs in one loop: the RPC server's tasks, one timer task, one task per DTLS association.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import resource
import secrets
import signal
import socket
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from recording_policy.sandbox import SandboxRefused, SandboxReport, lock_down, prove_again
from sfu import rpc_messages as messages
from sfu.abandonment import Abandoned, Abandonment
from sfu.answer import HostCandidate
from sfu.config import EXIT_UNLOCKED, WorkerConfig
from sfu.dtls import DtlsCertificate
from sfu.engine import SEED_BYTES, NativeEngine, open_native_engine
from sfu.logs import Log, configure_logs
from sfu.media import CodecName
from sfu.media_sockets import bind_media_sockets, host_candidates
from sfu.negotiation import NegotiationConfig, Negotiator
from sfu.preload import preload
from sfu.room_host import RoomHost
from sfu.rpc import RpcServer, bind_rpc_socket
from sfu.settings import SettingsError, load
from sfu.values import RoomClass
from sfu.worker_media import MediaPlane
from sfu.worker_statistics import WorkerCounters

ENGINE_PRIORITY = 1
"""The lowest of real time."""

log = Log("sfu.worker")  # not `__name__`: it runs as `__main__`

KEP_VIDEO_CODECS = (CodecName.VP8,)
"""Browsers encrypt kep media end to end and leave in clear what VP8 shows of itself at the start of
a frame: enough to find keyframes. Redundant audio (RFC 2198) would hide where Opus begins."""
TICK_S = 0.5
"""How often timers of rooms are looked at (they are of seconds), and the loop's lag is measured."""

PACKAGES = ("recording_policy", "sfu")
"""What a worker runs of ours: the statement of a kep worker names their code by hash."""

OpenEngine = Callable[..., NativeEngine]


async def run_worker(
    config: WorkerConfig,
    *,
    ready: Callable[[], None] = lambda: None,
    open_engine: OpenEngine = open_native_engine,
) -> None:
    """Serve until cancelled, then say goodbye to every client. `ready`: the RPC accepts calls.

    A kep worker locks the process down on the way: it can never open or bind anything again.

    Raises:
        Abandoned: nobody looks after it any more.
        OSError: the media port or the RPC socket cannot be bound.
        SandboxRefused: a kep worker that cannot be locked down does not serve.
    """
    is_kep = config.room_class is RoomClass.KEP
    starter = os.getppid()
    sockets = _media_sockets(config)
    try:
        surroundings = _Surroundings(
            starter,
            DtlsCertificate.generateCertificate(),
            host_candidates(config.media, sockets),
            bind_rpc_socket(config.socket_path),
        )
        if is_kep:
            await preload(surroundings.certificate)
            # Before the engine's thread: it gets the prohibitions of the one that starts it.
            surroundings.sandbox = lock_down(PACKAGES)
        native = open_engine(
            [sock.fileno() for sock in sockets],
            secrets.token_bytes(SEED_BYTES),
            is_kep=is_kep,
            use_gso=config.media.use_gso,
        )
        await _Worker(config, surroundings, native).run(ready)
    finally:
        for sock in sockets:
            sock.close()


def main(arguments: Sequence[str]) -> int:
    """Run a worker until SIGTERM or SIGINT. Returns the exit status."""
    configure_logs("info")
    try:
        config = read_config(Path(arguments[0]) if arguments else None)
    except (SettingsError, OSError, ValueError) as error:
        log.error("bad configuration", detail=str(error))
        return 2
    configure_logs(config.log_level)
    _show_name(config.worker)
    _run_in_real_time()
    # uvloop sets up an io_uring, past which a sandbox cannot see.
    is_kep = config.room_class is RoomClass.KEP
    new_loop = asyncio.new_event_loop if is_kep else uvloop.new_event_loop
    status = 0
    with asyncio.Runner(loop_factory=new_loop) as runner:
        try:
            runner.run(_run_until_signalled(config))
        except* SandboxRefused as group:
            status = EXIT_UNLOCKED
            log.error("does not serve", worker=config.worker, detail=_texts(group))
        except* Abandoned:
            log.warning("ends: neither who started it nor a control plane", worker=config.worker)
        except* OSError as group:
            status = 1
            log.error("cannot serve", worker=config.worker, detail=_texts(group))
        except* Exception:  # root of the process: what ends it is a log line like any other
            status = 1
            log.exception("worker failed", worker=config.worker)
    return status


def read_config(path: Path | None) -> WorkerConfig:
    """Return the configuration in the file, or on stdin if `path` is None.

    Raises:
        SettingsError, OSError, ValueError: unreadable, or not a `WorkerConfig`.
    """
    if path is None:
        return load(WorkerConfig, json.load(sys.stdin), "stdin")
    text = path.read_text()
    mapping = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    return load(WorkerConfig, mapping, str(path))


async def _run_until_signalled(config: WorkerConfig) -> None:
    async with asyncio.TaskGroup() as tasks:
        ready = functools.partial(log.info, "worker ready", worker=config.worker)
        worker = tasks.create_task(run_worker(config, ready=ready), name="worker")
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.cancel)


def _texts(group: BaseExceptionGroup[BaseException]) -> str:
    """Return the texts of the errors in the group, whatever task groups they came through."""
    texts = []
    for error in group.exceptions:
        texts.append(_texts(error) if isinstance(error, BaseExceptionGroup) else str(error))
    return "; ".join(texts)


def _show_name(worker: str) -> None:
    """Let `ps` and `top` tell workers apart; the command line is the same for all."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"sfu-{worker}")  # the kernel keeps 15 bytes


def _run_in_real_time() -> None:
    """Let this thread be what the engine's shall be: its start hands that on, although a kep worker has
    given up its capabilities by then, and this thread is ordinary again. By the limit the engine's can
    come back to it after it stepped back. Without either grant both are ordinary; who was started
    under another policy stays there."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(ENGINE_PRIORITY))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_RTPRIO, (ENGINE_PRIORITY, ENGINE_PRIORITY))


def _media_sockets(config: WorkerConfig) -> list[socket.socket]:
    if config.inherited_sockets:
        return [socket.socket(fileno=os.dup(fd)) for fd in config.inherited_sockets]
    return bind_media_sockets(config.media, config.port)


@dataclass
class _Surroundings:
    """What is made while the process may still open and bind."""

    starter: int
    """Process id of who started it."""
    certificate: DtlsCertificate
    candidates: list[HostCandidate]
    rpc_socket: socket.socket
    sandbox: SandboxReport | None = None
    """None in council workers only."""


class _Worker:
    """The parts of a running worker, and the two things that need them all: calls and time."""

    def __init__(
        self, config: WorkerConfig, surroundings: _Surroundings, native: NativeEngine
    ) -> None:
        certificate, sandbox = surroundings.certificate, surroundings.sandbox
        media, is_kep = config.media, config.room_class is RoomClass.KEP
        negotiation = NegotiationConfig(
            candidates=tuple(surroundings.candidates),
            fingerprint=certificate.fingerprint,
            video_codecs=KEP_VIDEO_CODECS if is_kep else media.video_codecs,
            has_audio_red=media.has_audio_red and not is_kep,
            max_video_streams=media.max_video_streams,
        )
        self._is_locked = sandbox is not None
        self._abandonment = Abandonment(media.abandoned_after_s, surroundings.starter)
        self._tasks = asyncio.TaskGroup()
        self._counters = WorkerCounters(config.worker, config.room_class, sandbox)
        self._host = RoomHost(
            config,
            self._counters.incarnation,
            lambda: Negotiator(negotiation, secrets.token_bytes),
            sandbox,
        )
        self._rpc = RpcServer(config.socket_path, self._handle_request, surroundings.rpc_socket)
        self._plane = MediaPlane(
            self._host, native, certificate, self._tasks, self._counters, self._rpc.publish
        )

    async def run(self, ready: Callable[[], None]) -> None:
        with self._plane:
            async with self._tasks:
                self._tasks.create_task(self._keep_time(), name="timers")
                self._tasks.create_task(self._rpc.run(ready), name="rpc-server")

    async def _handle_request(self, request: messages.Request) -> Any:
        if isinstance(request, messages.Statistics):
            return self._counters.read(self._host, self._rpc, self._plane.engine.snapshot())
        if isinstance(request, messages.Attest):
            tried_again = prove_again() if self._is_locked else {}
            return messages.Attestation(
                incarnation=self._counters.incarnation, tried_again=tried_again
            )
        result, outputs = self._host.handle_request(request, time.monotonic())
        for output in outputs:
            self._plane.apply_host_output(output)
        return result

    async def _keep_time(self) -> None:
        """Wake the rooms that asked for it, measure how late the loop wakes us, and look whether
        anybody is still there.

        Raises:
            Abandoned: nobody has been for too long.
        """
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self._counters.loop_lag.observe(max(0.0, now - before - TICK_S))
            for output in self._host.handle_timeout(now):
                self._plane.apply_host_output(output)
            self._abandonment.check(os.getppid(), self._rpc.is_controlled, now)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
