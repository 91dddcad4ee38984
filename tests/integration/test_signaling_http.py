"""Pages, demo tokens, health and headers on a real server over loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from sfu.values import Role, RoomClass
from signaling.logs import configure_logs
from signaling.middlewares import SECURITY_HEADERS
from tests.support.logs import forget_logs
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM
from tests.support.signaling_server import Server, running_server, until

pytestmark = pytest.mark.asyncio

OWN = {"Origin": "http://own.test"}
WANTED = {"room": COUNCIL_ROOM.room, "display_name": "Άννα", "role": "member"}


async def get(server: Server, path: str, **options: Any) -> tuple[int, str, Any]:
    async with server.http.get(f"{server.control.url}{path}", **options) as response:
        return response.status, await response.text(), response.headers


async def post_tokens(server: Server, body: Any = WANTED, **headers: str) -> tuple[int, Any]:
    url = f"{server.control.url}/api/v1/demo/tokens"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **OWN, **headers}
    async with server.http.post(url, data=data, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_pages_are_greek_first_and_english_for_the_asking() -> None:
    async with running_server() as server:
        status, text, _ = await get(server, "/")
        assert (status, "lang=el" in text, COUNCIL_ROOM.title in text) == (200, True, True)
        assert "lang=el" in (await get(server, "/?lang=xx"))[1]
        _, text, headers = await get(server, "/?lang=en")
        assert "lang=en" in text and "HttpOnly" in headers["Set-Cookie"]
        assert "lang=en" in (await get(server, f"/rooms/{COUNCIL_ROOM.room}"))[1]


@pytest.mark.parametrize(
    "path",
    [
        "/rooms/nowhere",
        "/rooms/..%2f..%2fetc",
        "/nothing",
        "/static/../outside.txt",
        "/static/%2e%2e/outside.txt",
        "/static/..%5coutside.txt",
        "/static/",
        "/static//etc/passwd",
        "/static/%00",
    ],
)
async def test_what_is_not_there_is_a_neutral_page(path: str) -> None:
    async with running_server() as server:
        url = URL(f"{server.control.url}{path}", encoded=True)
        async with server.http.get(url) as response:
            assert response.status in (403, 404)
            text = await response.text()
        assert text in ("", "<html lang=el>404", "<html lang=el>403")


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/static/main.js", "/healthz", "/api/v1/nothing", "/ws"]
)
async def test_every_answer_has_the_security_headers(path: str) -> None:
    async with running_server() as server:
        _, _, headers = await get(server, path)

        for name, value in SECURITY_HEADERS.items():
            assert headers[name] == value
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "img-src 'self';" in headers["Content-Security-Policy"]


async def test_static_files_are_asked_for_again_and_not_sent_again() -> None:
    async with running_server() as server:
        status, text, headers = await get(server, "/static/main.js")
        assert (status, text, headers["Cache-Control"]) == (200, "export {};\n", "no-cache")
        assert "javascript" in headers["Content-Type"]

        again = await get(server, "/static/main.js", headers={"If-None-Match": headers["ETag"]})
        assert again[0] == 304


async def test_demo_token_admits_to_its_room() -> None:
    async with running_server() as server:
        status, body = await post_tokens(server)
        assert status == 200

        client = await server.connect()
        reply = await client.request(type="join", token=body["token"])
        assert (reply["type"], reply["role"]) == ("joined", "member")


REFUSED_REQUESTS: dict[str, tuple[Any, dict[str, str], int]] = {
    "foreign origin": (WANTED, {"Origin": "http://own.test.evil.test"}, 403),
    "form": (WANTED, {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "no json": (b"{", {}, 400),
    "deep": (b"[" * 4000, {}, 400),
    "too large": (b" " * 5000, {}, 413),
    "missing field": ({"room": "r"}, {}, 400),
    "unknown field": ({**WANTED, "grants": {"moderate": True}}, {}, 400),
    "unknown room": ({**WANTED, "room": "nowhere"}, {}, 404),
    "room that is no demo room": ({**WANTED, "room": KEP_ROOM.room}, {}, 404),
    "role of the other class": ({**WANTED, "role": "citizen"}, {}, 400),
    "no such role": ({**WANTED, "role": "admin"}, {}, 400),
    "bad name": ({**WANTED, "display_name": "a\u202eb"}, {}, 400),
}


@pytest.mark.parametrize("case", REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS.keys())
async def test_wrong_token_request_is_a_problem(case: tuple[Any, dict[str, str], int]) -> None:
    body, headers, status = case
    async with running_server() as server:
        answered, problem = await post_tokens(server, body, **headers)

        assert (answered, problem["status"]) == (status, status)
        assert problem["type"] == "about:blank" and problem["title"]


async def test_missing_origin_gets_no_token() -> None:
    async with running_server() as server:
        url = f"{server.control.url}/api/v1/demo/tokens"
        async with server.http.post(url, json=WANTED) as response:
            assert response.status == 403
            assert response.content_type == "application/problem+json"


async def test_tokens_are_limited_by_address() -> None:
    async with running_server() as server:
        statuses = [(await post_tokens(server))[0] for _ in range(6)]

        assert statuses == [200] * 5 + [429]


async def test_without_the_demo_entrance_nothing_of_it_is_there() -> None:
    async with running_server(demo=None) as server:
        assert (await post_tokens(server))[0] == 404
        assert COUNCIL_ROOM.title not in (await get(server, "/"))[1]


async def test_readiness_follows_the_workers_and_health_does_not() -> None:
    async with running_server() as server:
        assert (await get(server, "/readyz"))[0] == 200
        await server.worker().stop()
        await until(lambda: not server.control.directory.is_ready)

        status, text, headers = await get(server, "/readyz")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert json.loads(text)["workers"] == {"council": False, "kep": True}
        assert (await get(server, "/healthz"))[0] == 200


async def test_kep_worker_that_lacks_a_prohibition_never_gets_ready() -> None:
    async with running_server() as server:
        worker = server.worker(RoomClass.KEP)
        await worker.stop()
        whole = worker.fake.info
        assert whole.statement is not None
        probes = {**whole.statement.probes, "execute programs": {"execve": "done"}}
        statement = dataclasses.replace(whole.statement, probes=probes)
        worker.fake.info = msgspec.structs.replace(
            whole, incarnation="another", statement=statement
        )
        await worker.start()
        await until(lambda: not server.control.directory.is_ready)
        await asyncio.sleep(0.5)

        status, text, _ = await get(server, "/readyz")
        assert (status, json.loads(text)["workers"]) == (503, {"council": True, "kep": False})
        await server.joined()  # council rooms go on
        client = await server.connect()
        token = server.token(room=KEP_ROOM.room, role=Role.CITIZEN)
        refusal = await client.request(type="join", token=token)
        assert refusal["type"] == "error", refusal
        assert worker.fake.rooms == {}

        await worker.restart()
        await until(lambda: server.control.directory.is_ready)


async def test_metrics_parse_and_name_no_one() -> None:
    async with running_server() as server:
        joined = await server.joined()

        _, text, _ = await get(server, "/metrics")

        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert families["signaling_sockets"].samples[0].value == 1
        assert families["sfu_participants"].samples[0].value == 1
        drops = families["sfu_packets_dropped"].samples
        assert {sample.labels["reason"] for sample in drops} == {"replay"}
        assert "sfu_forwarding_delay_seconds" in families
        for needle in (joined.joined["participant"], COUNCIL_ROOM.room, "Άννα"):
            assert needle not in text


async def test_metrics_are_for_listed_networks_only() -> None:
    async with running_server(metrics_from=()) as server:
        assert (await get(server, "/metrics"))[0] == 404


async def test_logs_hold_nothing_that_identifies_anybody(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug")
    try:
        async with running_server() as server:
            token = server.token(name="Needle-Name")
            await get(server, f"/rooms/{COUNCIL_ROOM.room}?token={token}&afm=123456783")
            await get(server, "/needle-path?q=needle-query", headers={"X-Forwarded-For": "9.8.7.6"})
            await post_tokens(server, {**WANTED, "display_name": "Needle-Name"})
            client = await server.connect()
            joined = await client.request(type="join", token=token)
            await client.request(type="offer", sdp="a=ice-ufrag:needle-ufrag")
            await client.request(type="chat", text="needle-chat")
            await client.request(type="join", token=token)
            await send_bad_http(server.control.port)
            needles = [
                token, "Needle-Name", "123456783", "needle-path", "needle-query", "9.8.7.6",
                "127.0.0.1", "needle-ufrag", "needle-chat", "needle-header",
                joined["secret"], joined["participant"], COUNCIL_ROOM.room,
            ]  # fmt: skip
    finally:
        forget_logs()

    written = "".join(capfd.readouterr())
    assert '"route": "/rooms/{room}"' in written
    for line in written.splitlines():
        json.loads(line)
    for needle in needles:
        assert needle not in written, needle


async def send_bad_http(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nneedle-header\r\n\r\n")
    await reader.read()
    writer.close()
