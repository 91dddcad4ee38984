"""The audit chain: what a writer leaves behind, and what the verifier finds in what others made of it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_policy import verify as verifier
from recording_policy.audit import (
    AuditBroken,
    AuditError,
    AuditInUse,
    AuditLog,
    AuditUnwritable,
    load_or_create_key,
)
from recording_policy.verify import (
    CHECKPOINT_INTERVAL,
    LogIsWrong,
    Verified,
    encode_body,
    hash_of,
    verify,
)
from tests.support.small_disk import fill_disk, small_disk

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def new_log(path: Path, **options: int) -> AuditLog:
    ticks = iter(range(1_800_000_000_000, 1_900_000_000_000, 7))
    return AuditLog(path, KEY, lambda: next(ticks), **options)


def verified(path: Path, anchors: dict[int, str] | None = None) -> Verified:
    with path.open("rb") as lines:
        return verify(lines, KEY.public_key().public_bytes_raw(), anchors)


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    """A log of 20 calls with a checkpoint every 8 entries, closed."""
    path = tmp_path / "audit.log"
    with new_log(path, checkpoint_interval=8) as log:
        for call in range(20):
            log.append("call_started", {"call": f"c{call}", "actors": ["p1", "p2"], "e2ee": True})
    return path


def test_what_a_writer_leaves_holds(log_path: Path) -> None:
    result = verified(log_path)

    assert result.kinds == {"opened": 1, "checkpoint": 4, "call_started": 20}
    assert result.signed_entries == result.entries == 25
    assert log_path.stat().st_mode & 0o777 == 0o600


def test_log_is_taken_up_again(log_path: Path) -> None:
    with new_log(log_path) as log:
        assert log.append("call_ended", {"call": "c1"}) == 25
        head = log.head

    assert verified(log_path, {head[0]: head[1]}).entries == 27


def test_every_single_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "small.log"
    new_log(path).close()
    text = path.read_bytes()
    for position in range(len(text)):
        altered = bytearray(text)
        altered[position] ^= 0x04
        path.write_bytes(altered)
        with pytest.raises(LogIsWrong):
            verified(path)


Tamper = Callable[[list[bytes]], list[bytes]]


def _forged(line: bytes, old: bytes, new: bytes) -> bytes:
    """Change an entry and compute its own hash anew, as who can write the file can."""
    body = line[65:-1].replace(old, new)
    assert body != line[65:-1]
    return hash_of(body).encode() + b" " + body + b"\n"


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        (lambda lines: lines[:5] + lines[6:], "line 6: entry 5 is expected"),
        (lambda lines: lines[1:], "line 1: entry 0 is expected"),
        (lambda lines: lines[:6] + lines[5:], "line 7: entry 6 is expected"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "line 5: entry 4"),
        (
            lambda lines: [*lines[:4], _forged(lines[4], b'"c2"', b'"c9"'), *lines[5:]],
            "line 6: it does not follow",
        ),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "line 25: it is cut off"),
        (lambda lines: [*lines[:-1], lines[-1][:40]], "line 25: it is cut off"),
        (lambda lines: [], "nothing in it is signed"),
        (lambda lines: lines[:1], "nothing in it is signed"),
        (lambda lines: [*lines, b"\n"], "line 26"),
        (lambda lines: [*lines, b"x" * 20_000 + b"\n"], "line 26: longer"),
    ],
    ids=lambda value: None if callable(value) else value,
)
def test_lines_deleted_inserted_reordered_and_rewritten_are_found(
    log_path: Path, tamper: Tamper, text: str
) -> None:
    lines = tamper(log_path.read_bytes().splitlines(keepends=True))
    log_path.write_bytes(b"".join(lines))

    with pytest.raises(LogIsWrong, match=text):
        verified(log_path)


def test_whole_chain_rewritten_by_who_lacks_the_key_is_found(log_path: Path) -> None:
    previous, lines = "0" * 64, []
    for line in log_path.read_bytes().splitlines():
        body = verifier.parse_line(line) | {"previous": previous}
        if body["sequence"] == 3:
            body["facts"]["call"] = "another"
        encoded = encode_body(body)
        previous = hash_of(encoded)
        lines.append(previous.encode() + b" " + encoded + b"\n")
    log_path.write_bytes(b"".join(lines))

    with pytest.raises(LogIsWrong, match="line 11: the signature"):
        verified(log_path)


def test_unsigned_tail_cannot_grow_without_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = new_log(path)
    for _ in range(CHECKPOINT_INTERVAL - 1):
        log.append("call_started", {}, is_durable=False)
    lines = path.read_bytes()
    log.close()
    # The same, but the writer's checkpoints are left out from here on.
    previous, sequence = lines[-1000:].splitlines()[-1][:64].decode(), lines.count(b"\n")
    for _ in range(5):
        body = encode_body(
            {"facts": {}, "kind": "x", "previous": previous, "sequence": sequence, "time_ms": 1}
        )
        previous, sequence = hash_of(body), sequence + 1
        lines += previous.encode() + b" " + body + b"\n"
    path.write_bytes(lines)

    with pytest.raises(LogIsWrong, match="no checkpoint"):
        verified(path)


def test_truncation_and_roll_back_are_found_by_an_anchor(log_path: Path) -> None:
    old = log_path.read_bytes()
    with new_log(log_path) as log:
        log.append("call_ended", {"call": "c3"})
    sequence, head = log.head
    verified(log_path, {sequence: head})

    log_path.write_bytes(old)  # yesterday's file: whole in itself
    verified(log_path)
    with pytest.raises(LogIsWrong, match="ends after 25 entries, but entry 26 was anchored"):
        verified(log_path, {sequence: head})

    with new_log(log_path) as log:  # and another history grown on it
        log.append("call_ended", {"call": "c4"})
    with pytest.raises(LogIsWrong, match="not the one that was anchored"):
        verified(log_path, {sequence: head})


def test_log_of_another_key_is_wrong(log_path: Path) -> None:
    with log_path.open("rb") as lines, pytest.raises(LogIsWrong, match="line 2: the signature"):
        verify(lines, Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def test_second_writer_is_refused_until_the_first_is_done(log_path: Path) -> None:
    first = new_log(log_path)
    with pytest.raises(AuditInUse):
        new_log(log_path)
    first.close()
    new_log(log_path).close()
    with pytest.raises(AuditError, match="closed"):
        first.append("call_started", {})


def test_half_an_entry_is_cut_off_and_said(log_path: Path) -> None:
    with log_path.open("ab") as file:
        file.write(b"0123456789abcdef half an ent")

    new_log(log_path).close()

    result = verified(log_path)
    assert result.kinds["recovered"] == 1
    assert b'"bytes_cut_off":28' in log_path.read_bytes()


def test_wrong_end_is_not_continued(log_path: Path) -> None:
    text = log_path.read_bytes()
    log_path.write_bytes(text[:-20] + b"x" + text[-19:])
    with pytest.raises(AuditBroken, match="last line: its hash"):
        new_log(log_path)
    log_path.write_bytes(text + b"y" * 40_000)
    with pytest.raises(AuditBroken, match="does not end as an audit log"):
        new_log(log_path)


@pytest.mark.parametrize(
    "facts", [{"x": 1.5}, {"x": [0.1]}, {"x": {"y": float("nan")}}, {"x": b"1"}, {"x": "y" * 17000}]
)
def test_facts_that_cannot_be_stored_change_nothing(
    log_path: Path, facts: dict[str, object]
) -> None:
    before = log_path.read_bytes()
    with new_log(log_path) as log:
        with pytest.raises((ValueError, TypeError)):
            log.append("call_started", facts)
        for kind in ("checkpoint", "Έναρξη", "", "a b"):
            with pytest.raises(ValueError, match="kind"):
                log.append(kind, {})
    assert log_path.read_bytes() == before


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.unit.recording_policy.test_audit import KEY, AuditUnwritable, new_log
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
log = new_log(Path(sys.argv[1]))
stored, refused = 0, 0
for call in range(1000):
    try:
        log.append("call_started", {"call": "c" * (call % 300)})
        stored += 1
    except AuditUnwritable:
        refused += 1
log.close()
print(stored, refused)
"""


def test_full_disk_refuses_entries_and_leaves_no_half_ones(tmp_path: Path) -> None:
    path = tmp_path / "full.log"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    stored, refused = map(int, done.stdout.split())

    assert stored > 20 and refused > 100
    result = verified(path)
    assert result.kinds["call_started"] == stored
    assert path.stat().st_size <= 20_000


def test_entry_is_refused_whole_when_the_checkpoint_before_it_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    log = new_log(path, checkpoint_interval=2)
    log.append("call_started", {"call": "c1"})
    log.append("call_started", {"call": "c2"})
    before = path.read_bytes()

    def full(descriptor: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(AuditUnwritable):
        log.append("call_started", {"call": "c3"})
    monkeypatch.undo()
    assert path.read_bytes() == before

    assert log.append("call_started", {"call": "c3"}) == 5  # after the checkpoint that was due
    log.close()
    assert verified(path).kinds == {"opened": 1, "checkpoint": 3, "call_started": 3}


def test_full_file_system_refuses_entries_and_takes_them_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        log = new_log(disk / "audit.log")
        filler = fill_disk(disk)
        stored = 0
        with pytest.raises(AuditUnwritable):
            while True:
                log.append("call_started", {"call": "c" * 500})
                stored += 1
        filler.unlink()
        log.append("call_started", {"call": "later"})
        log.close()

        assert verified(disk / "audit.log").kinds["call_started"] == stored + 1


def test_clock_that_goes_back_breaks_nothing(tmp_path: Path) -> None:
    times = iter([5_000, 4_000, 3_000, 2_000, 1_000, 0])
    with AuditLog(tmp_path / "audit.log", KEY, lambda: next(times)) as log:
        log.append("call_started", {})
        log.append("call_started", {})
    assert verified(tmp_path / "audit.log").entries == 5


def test_disk_that_fails_to_sync_ends_the_log(
    log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log(log_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(AuditBroken):
        log.append("call_started", {})
    monkeypatch.undo()
    with pytest.raises(AuditBroken, match="failed before"):
        log.append("call_started", {})
    log.close()


# Bounded: who should end it may die itself.
WRITE_ON = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.unit.recording_policy.test_audit import new_log
log = new_log(Path(sys.argv[1]), checkpoint_interval=50)
print("writing", flush=True)
for _ in range(50_000):
    log.append("call_started", {"call": "c" * 3000}, is_durable=False)
"""


def test_writer_killed_at_any_moment_leaves_a_log_that_is_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "killed.log"
    root = Path(__file__).parents[3]
    entries = 0
    for round_number in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_ON, str(path), str(root)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 * (round_number + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        new_log(path).close()
        result = verified(path)
        assert result.entries > entries
        entries = result.entries


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditUnwritable, match="nowhere"):
        new_log(tmp_path / "nowhere" / "audit.log")
    (tmp_path / "link.log").symlink_to(tmp_path / "elsewhere.log")
    with pytest.raises(AuditUnwritable):
        new_log(tmp_path / "link.log")


def test_verifier_is_a_program_that_stands_alone(log_path: Path, tmp_path: Path) -> None:
    key_path = tmp_path / "audit.pem"
    assert load_or_create_key(key_path).private_bytes_raw() != KEY.private_bytes_raw()
    assert key_path.stat().st_mode & 0o777 == 0o600
    key_path.unlink()
    key = load_or_create_key(key_path)
    assert load_or_create_key(key_path).private_bytes_raw() == key.private_bytes_raw()
    path = tmp_path / "own.log"
    with AuditLog(path, key, lambda: 1) as log:
        log.append("call_started", {"call": "c1"})

    # From another folder and in isolated mode: nothing of ours can be imported.
    program = [sys.executable, "-I", verifier.__file__, "--key", f"{key_path}.pub"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*program, *arguments], capture_output=True, text=True, cwd="/")

    good = run(str(path))
    assert good.returncode == 0 and good.stdout.startswith("HOLDS"), good
    anchor = good.stdout.split("anchor ")[1].strip()
    assert run(str(path), "--anchor", anchor).returncode == 0
    assert run(str(path), "--anchor", "99:" + "0" * 64).returncode == 1
    bad = run(str(log_path))
    assert bad.returncode == 1 and "line 2: the signature" in bad.stdout
    assert run(str(tmp_path / "none")).returncode == 2
