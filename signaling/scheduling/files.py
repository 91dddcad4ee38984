"""Documents of an agenda (R36): what may be kept, and its records.

A file is told by its content, not by its name or by what the browser says of it.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import PurePosixPath

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.texts import clean_line
from signaling.storage.models import AgendaFile, Sitting

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_FILES = 100
"""LIMIT: documents of one sitting."""
MAX_TOTAL_BYTES = 200 * 1024 * 1024
"""LIMIT: all documents of one sitting."""
MAX_NAME_LENGTH = 150
MAX_TEXT_PROBE = 4096

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".docx": _OFFICE + "wordprocessingml.document",
    ".xlsx": _OFFICE + "spreadsheetml.sheet",
    ".pptx": _OFFICE + "presentationml.presentation",
    ".odt": _OPEN + "text",
    ".ods": _OPEN + "spreadsheet",
    ".odp": _OPEN + "presentation",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".txt": "text/plain",
}
"""What may be kept. No macros, no HTML, no SVG, no archives."""

_FIRST_BYTES = {
    "application/pdf": b"%PDF-",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
}
_OFFICE_PARTS = {
    ".docx": "word/document.xml",
    ".xlsx": "xl/workbook.xml",
    ".pptx": "ppt/presentation.xml",
}


@dataclass(frozen=True)
class Document:
    """A file fit to be kept."""

    name: str
    media_type: str
    content: bytes


class FileRefused(Exception):
    """It is not kept; `code` is that of a text: file_empty, file_large, file_type, file_content,
    file_macros, file_many."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_document(file_name: str, content: bytes) -> Document:
    """Return what may be kept of an uploaded file.

    Raises:
        FileRefused: see above.
    """
    # Some browsers send a whole path.
    name = clean_line(PurePosixPath(file_name.replace("\\", "/")).name).strip(". ")
    suffix = PurePosixPath(name).suffix.lower()
    media_type = MEDIA_TYPES.get(suffix)
    if media_type is None:
        raise FileRefused("file_type")
    if not content:
        raise FileRefused("file_empty")
    if len(content) > MAX_FILE_BYTES:
        raise FileRefused("file_large")
    _check_content(suffix, media_type, content)
    stem = name[: -len(suffix)][: MAX_NAME_LENGTH - len(suffix)].strip() or "document"
    return Document(stem + suffix, media_type, content)


def _check_content(suffix: str, media_type: str, content: bytes) -> None:
    first = _FIRST_BYTES.get(media_type)
    if first is not None:
        is_right = content.startswith(first)
    elif suffix == ".txt":
        is_right = b"\0" not in content[:MAX_TEXT_PROBE]
    else:
        is_right = _is_office(suffix, media_type, content)
    if not is_right:
        raise FileRefused("file_content")


def _is_office(suffix: str, media_type: str, content: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(content)) as parts:
            names = set(parts.namelist())
            if any(name.lower().endswith("vbaproject.bin") for name in names):
                raise FileRefused("file_macros")
            if suffix in _OFFICE_PARTS:
                return _OFFICE_PARTS[suffix] in names and "[Content_Types].xml" in names
            # ODF 1.2 part 3 §3.3: first in the file, not compressed.
            return content[30:].startswith(b"mimetype" + media_type.encode())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


async def add_file(
    session: AsyncSession, sitting: Sitting, document: Document, *, item_id: str | None, by: str,
    now: datetime,
) -> AgendaFile:  # fmt: skip
    """Keep a document.

    Raises:
        FileRefused: file_many: the sitting has as many, or as much, as it may.
    """
    count, total = (
        await session.execute(
            select(func.count(), func.coalesce(func.sum(AgendaFile.size_bytes), 0)).where(
                AgendaFile.sitting_id == sitting.id
            )
        )
    ).one()
    if count >= MAX_FILES or total + len(document.content) > MAX_TOTAL_BYTES:
        raise FileRefused("file_many")
    file = AgendaFile(
        sitting_id=sitting.id, agenda_item_id=item_id, name=document.name,
        media_type=document.media_type, size_bytes=len(document.content),
        sha256=hashlib.sha256(document.content).hexdigest(), content=document.content,
        uploaded_by=by, uploaded_at=now,
    )  # fmt: skip
    session.add(file)
    await session.flush()
    return file


async def list_files(session: AsyncSession, sitting_id: str) -> Sequence[AgendaFile]:
    """Return the documents without their content."""
    files = await session.scalars(
        select(AgendaFile)
        .where(AgendaFile.sitting_id == sitting_id)
        .order_by(AgendaFile.uploaded_at, AgendaFile.id)
    )
    return list(files)


async def read_content(session: AsyncSession, file_id: str) -> bytes:
    """Return the bytes of a document that is there."""
    content: bytes | None = await session.scalar(
        select(AgendaFile.content).where(AgendaFile.id == file_id)
    )
    return content or b""
