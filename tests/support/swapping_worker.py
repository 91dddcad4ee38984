"""A media worker with a defect for tests: who wishes for somebody's camera is sent another's.

`python -m tests.support.swapping_worker` is the worker, `… serve --config FILE` the service with it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from unittest import mock

import msgspec

from sfu import worker
from sfu.config import WorkerConfig
from sfu.room import Outputs, Room
from sfu.values import TrackSource, VideoWish
from signaling import main as service
from signaling.supervisor import ProcessSpec

handle_layout = Room.handle_layout


def swap(room: Room, viewer: str, wishes: Sequence[VideoWish]) -> Outputs:
    """Give the viewer the first other camera of the room, if there is one."""
    swapped = []
    for wish in wishes:
        others = [
            info.participant
            for info in room.state().participants
            if info.participant not in (viewer, wish.participant)
            and any(track.source is TrackSource.CAMERA for track in info.tracks)
        ]
        if wish.participant is not None and others:
            wish = msgspec.structs.replace(wish, participant=others[0])
        swapped.append(wish)
    return handle_layout(room, viewer, swapped)


def main(arguments: Sequence[str]) -> int:
    """Run as `sfu.worker` would, or as `signaling.main` with such workers."""
    if not arguments:
        with mock.patch.object(Room, "handle_layout", swap):
            return worker.main([])
    product = service._worker_spec

    def defective(config: WorkerConfig) -> ProcessSpec:
        command = (sys.executable, "-m", "tests.support.swapping_worker")
        return dataclasses.replace(product(config), command=command)

    with mock.patch.object(service, "_worker_spec", defective):
        return service.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
