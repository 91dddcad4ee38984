"""Forms with files (multipart/form-data, RFC 7578), read with a limit of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

FORM_TYPE = "multipart/form-data"
MAX_FIELD_BYTES = 64 * 1024
MAX_PARTS = 40
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class UploadedFile:
    """A file of a form, whole."""

    name: str
    """As the browser says; may hold anything."""
    content: bytes


@dataclass(frozen=True)
class Upload:
    """A sent form."""

    fields: Mapping[str, str]
    files: Mapping[str, UploadedFile]
    """Those that were chosen."""


async def read_upload(
    request: web.Request, *, max_file_bytes: int, long_fields: frozenset[str] = frozenset()
) -> Upload:
    """Read a form. `long_fields` are texts that may be as long as a file.

    Raises:
        HTTPUnsupportedMediaType: it is no such form.
        HTTPRequestEntityTooLarge: a part is longer than it may be.
        HTTPBadRequest: it is broken off, or has too many parts.
    """
    if request.content_type != FORM_TYPE:
        raise web.HTTPUnsupportedMediaType(text="not_a_form")
    fields: dict[str, str] = {}
    files: dict[str, UploadedFile] = {}
    try:
        reader = await request.multipart()
        for _ in range(MAX_PARTS):
            part = await reader.next()
            if part is None:
                return Upload(fields, files)
            if not isinstance(part, BodyPartReader) or not part.name:
                raise web.HTTPBadRequest(text="bad_form")
            is_long = part.filename is not None or part.name in long_fields
            content = await _read_part(part, max_file_bytes if is_long else MAX_FIELD_BYTES)
            if part.filename is None:
                fields[part.name] = content.decode("utf-8", "replace")
            elif part.filename:
                files[part.name] = UploadedFile(part.filename, content)
    except (ValueError, AssertionError):  # aiohttp's words for a broken body
        raise web.HTTPBadRequest(text="bad_form") from None
    raise web.HTTPBadRequest(text="bad_form")


async def _read_part(part: BodyPartReader, max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise web.HTTPRequestEntityTooLarge(max_bytes, len(content))
    return bytes(content)
