"""The files in configs/ are whole, and mistakes are named with key, value and remedy."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest

from sfu.settings import SettingsError
from signaling.config import Config, DemoRoom, load_config
from signaling.identity.config import ProviderEntry
from signaling.main import EXIT_CONFIG, main

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = sorted(CONFIGS.glob("*.toml"))


def nested(wanted: Any) -> type[Any] | None:
    """Return the dataclass in a field's type, if there is one."""
    for candidate in (wanted, *typing.get_args(wanted)):
        if dataclasses.is_dataclass(candidate) and isinstance(candidate, type):
            return candidate
    return None


def keys_of(settings: type[Any], prefix: str = "") -> set[str]:
    keys = set()
    types = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        inner = nested(types[field.name])
        keys |= keys_of(inner, f"{prefix}{field.name}.") if inner else {prefix + field.name}
    return keys


def keys_in(table: dict[str, Any], prefix: str = "") -> set[str]:
    keys = set()
    for key, value in table.items():
        tables = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        inner = [each for each in tables if isinstance(each, dict)]
        if inner:
            keys |= set().union(*(keys_in(each, f"{prefix}{key}.") for each in inner))
        else:
            keys.add(prefix + key)
    return keys


def all_settings(settings: type[Any]) -> list[type[Any]]:
    types = typing.get_type_hints(settings)
    inner = [nested(types[field.name]) for field in dataclasses.fields(settings)]
    return [settings, *(each for kind in inner if kind for each in all_settings(kind))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_is_good_and_shows_every_key(path: Path) -> None:
    load_config(path)

    shown = keys_in(tomllib.loads(path.read_text(encoding="utf-8")))
    # Lists of none: production has no demo rooms to show, development no sign-in services.
    for key, entry in (("demo.rooms", DemoRoom), ("identity.providers", ProviderEntry)):
        if key in shown:
            shown = shown - {key} | keys_of(entry, f"{key}.")
    assert shown == keys_of(Config)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_key_of_the_file_is_commented(path: Path) -> None:
    is_explained = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            is_explained = True
        elif not line:
            is_explained = is_explained and line != ""
        elif line.startswith("["):
            is_explained = True
        else:
            assert is_explained, line


@pytest.mark.parametrize("settings", all_settings(Config), ids=lambda each: str(each.__name__))
def test_every_field_is_documented(settings: type[Any]) -> None:
    body = ast.parse(inspect.getsource(settings)).body[0]
    assert isinstance(body, ast.ClassDef)
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            is_documented = isinstance(following, ast.Expr) and isinstance(
                following.value, ast.Constant
            )
            assert is_documented, ast.unparse(statement)


def test_production_has_no_demo_entrance() -> None:
    assert not load_config(CONFIGS / "production.toml").demo.enabled


GOOD = '[[workers]]\nname = "council"\nroom_class = "council"\n'

MISTAKES = {
    "unknown key": ('[http]\nhots = "x"\n' + GOOD, ["http.hots", "did you mean host"]),
    "unknown table": ("[htp]\n" + GOOD, ["htp", "did you mean http"]),
    "wrong type": ('[http]\nport = "80"\n' + GOOD, ["http.port", "'80'", "int"]),
    "port out of range": ("[http]\nport = 70000\n" + GOOD, ["http.port", "70000", "65535"]),
    "half of TLS": ('[http]\ntls_key = "k"\n' + GOOD, ["http.tls_key", "both or neither"]),
    "origin with path": (
        '[http]\norigins = ["https://x.gr/"]\n' + GOOD,
        ["http.origins", "https://x.gr/", "no path"],
    ),
    "origin without scheme": ('[http]\norigins = ["x.gr"]\n' + GOOD, ["http.origins", "x.gr"]),
    "no network": (
        '[http]\ntrusted_proxies = ["10.0.0.1/8"]\n' + GOOD,
        ["http.trusted_proxies", "10.0.0.1/8", "10.0.0.0/8"],
    ),
    "no workers": ("", ["workers", "[[workers]]"]),
    "worker twice": (GOOD + GOOD, ["workers.name", '"council"', "twice"]),
    "worker name": (GOOD.replace('e = "council"', 'e = "A b"', 1), ["workers.name", '"A b"']),
    "class": (GOOD.replace('s = "council"', 's = "kepp"'), ["room_class", "kepp", '"kep"']),
    "missing": ('[[workers]]\nname = "council"\n', ["workers.0.room_class", "missing"]),
    "room of a class without worker": (
        GOOD + '[[demo.rooms]]\nid = "a"\nroom_class = "kep"\ntitle = "t"\n',
        ["demo.rooms.room_class", "kep", "[[workers]]"],
    ),
    "room id": (
        GOOD + '[[demo.rooms]]\nid = "A"\nroom_class = "council"\ntitle = "t"\n',
        ["demo.rooms.id", '"A"'],
    ),
    "rate": (GOOD + "[demo]\ntokens_per_second = 0\n", ["demo.token", "above 0"]),
    "log level": (GOOD + '[log]\nlevel = "loud"\n', ["log.level", "loud", "warning"]),
    "password in an address": (
        '[storage]\nurl = "postgresql://u:p@h/d"\n' + GOOD,
        ["storage.url", "storage.password"],
    ),
    "another database": ('[storage]\nurl = "mysql://h/d"\n' + GOOD, ["storage.url", "postgresql"]),
    "development sign-in for the public": (
        '[http]\norigins = ["https://x.gr"]\n[identity.development]\nenabled = true\n' + GOOD,
        ["identity.development.enabled", "anybody"],
    ),
    "oidc without issuer": (
        '[[identity.providers]]\nname = "a"\nkind = "oidc"\nclient_id = "c"\n' + GOOD,
        ["identity.providers.address", "issuer"],
    ),
    "outbox in production": (
        '[[identity.providers]]\nname = "a"\nkind = "staff"\nclient_id = "c"\n' + GOOD,
        ["mail.delivery", "smtp"],
    ),
    "no TOML": ("a = = 1", ["not TOML"]),
}


@pytest.mark.parametrize(("text", "needles"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_named_and_check_config_fails(
    text: str, needles: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "synedrion.toml"
    path.write_text(text)

    code = main(["check-config", str(path)])

    written = capsys.readouterr().err
    assert code == EXIT_CONFIG
    for needle in [str(path), *needles]:
        assert needle in written


def test_good_file_is_called_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(CONFIGS / "dev.toml")]) == 0
    assert "council (council), kep (kep)" in capsys.readouterr().out


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_config(tmp_path / "none.toml")


def test_origins_follow_host_and_port_unless_given(tmp_path: Path) -> None:
    path = tmp_path / "synedrion.toml"
    path.write_text(GOOD)
    assert load_config(path).own_origins == {"http://127.0.0.1:8080", "http://localhost:8080"}
    path.write_text('[http]\norigins = ["https://meet.example.gr"]\n' + GOOD)
    assert load_config(path).own_origins == {"https://meet.example.gr"}


def test_minted_token_is_one_line_and_wrong_roles_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = ["--config", str(CONFIGS / "dev.toml"), "--name", "Άννα"]

    assert main(["token", "--room", "kep-demo", "--role", "employee", *config]) == 0
    assert capsys.readouterr().out.count(".") == 2
    assert main(["token", "--room", "kep-demo", "--role", "chair", *config]) == 2
    assert "employee, citizen, interpreter" in capsys.readouterr().err
    assert main(["token", "--room", "nowhere", "--role", "chair", *config]) == 2
    assert "dimotiko-symvoulio, kep-demo" in capsys.readouterr().err
