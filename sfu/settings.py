"""TOML (or any mapping) → a tree of frozen dataclasses, refusing what it does not know.

Generic: knows no key of the product. Every fault names the key, its value, and what to write
instead.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


class SettingsError(Exception):
    """The operator's fault: the service must not start. The text has one line per fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load(dataclass_type: type[T], mapping: Mapping[str, Any], path: str = "") -> T:
    """Return `mapping` as a `dataclass_type`; `path` is where it came from, for messages.

    Fields absent from the mapping take their defaults. Numbers, strings, booleans, enums, tuples,
    optional values, and `pathlib.Path` convert as msgspec does (strictly: "5" is no number).

    Raises:
        SettingsError: unknown or missing keys, values of the wrong type. All faults at once.
    """
    faults: list[str] = []
    value = _load(dataclass_type, mapping, (), faults)
    if faults:
        prefix = f"{path}: " if path else ""
        raise SettingsError([prefix + fault for fault in faults])
    return cast(T, value)


def _load(
    kind: type[Any], mapping: Mapping[str, Any], keys: tuple[str, ...], faults: list[str]
) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    types = typing.get_type_hints(kind)
    for key in mapping:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            known = ", ".join(sorted(fields))
            hint = f"did you mean {close[0]}?" if close else f"known keys here: {known}"
            faults.append(f"unknown key {_name(keys, key)}: {hint}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in mapping:
            before = len(faults)
            value = _convert(types[name], mapping[name], (*keys, name), faults)
            if len(faults) == before:
                values[name] = value
        elif _is_required(field):
            faults.append(
                f"missing key {_name(keys, name)}: write {name} = {_example(types[name])}"
            )
    if faults:
        return None
    try:
        return kind(**values)
    except ValueError as error:  # a dataclass checks what types cannot say in __post_init__
        faults.append(f"{_name(keys)}: {error}" if keys else str(error))
        return None


def _convert(kind: Any, value: Any, keys: tuple[str, ...], faults: list[str]) -> Any:
    nested = _dataclass_of(kind)
    if nested is not None:
        if isinstance(value, Mapping):
            return _load(nested, value, keys, faults)
        if value is None and nested is not kind:
            return None
        faults.append(f"{_name(keys)} = {value!r}: expected a table [{_name(keys)}]")
        return None
    element = _tuple_element(kind)
    if element is not None and isinstance(value, list):
        return tuple(
            _load(element, item, (*keys, str(index)), faults)
            for index, item in enumerate(value)
            if _is_table(item, (*keys, str(index)), faults)
        )
    try:
        return msgspec.convert(value, kind, dec_hook=_from_string)
    except (msgspec.ValidationError, ValueError) as error:
        faults.append(f"{_name(keys)} = {value!r}: {error}; write for example {_example(kind)}")
        return None


def _is_table(item: Any, keys: tuple[str, ...], faults: list[str]) -> bool:
    if not isinstance(item, Mapping):
        faults.append(f"{_name(keys)} = {item!r}: expected a table")
    return isinstance(item, Mapping)


def _dataclass_of(kind: Any) -> type[Any] | None:
    """Return the dataclass that `kind` is, or is the optional of."""
    for candidate in (kind, *typing.get_args(kind)):
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            is_container = typing.get_origin(kind) in (tuple, list, dict)
            return None if is_container else candidate
    return None


def _tuple_element(kind: Any) -> type[Any] | None:
    """Return the dataclass of which `kind` is a tuple."""
    arguments = typing.get_args(kind)
    is_tuple = typing.get_origin(kind) is tuple and len(arguments) == 2
    if is_tuple and isinstance(arguments[0], type) and dataclasses.is_dataclass(arguments[0]):
        return arguments[0]
    return None


def _from_string(kind: type[Any], value: Any) -> Any:
    """Convert to types that msgspec does not know, such as Path, by their constructor."""
    if not isinstance(value, str):
        raise ValueError(f"expected a string for {kind.__name__}")
    return kind(value)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _example(kind: Any) -> str:
    plain = next((k for k in typing.get_args(kind) if k is not type(None)), kind)
    if typing.get_origin(kind) in (tuple, list):
        return f"[{_example(typing.get_args(kind)[0])}]"
    if isinstance(plain, type) and hasattr(plain, "__members__"):
        return " or ".join(f'"{member.value}"' for member in typing.cast(Any, plain))
    return {bool: "true", int: "1", float: "1.5"}.get(plain, '"text"')


def _name(keys: tuple[str, ...], last: str | None = None) -> str:
    return ".".join(keys if last is None else (*keys, last))
