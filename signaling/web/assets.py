"""Copy the files of npm packages that the pages load into `static/vendor`.

Run as `python -m signaling.web.assets` from the repository root after `npm ci`. Nothing is built:
style sheets and fonts are copied as the packages ship them, except that Roboto's sheet keeps only
the alphabets the pages use, in woff2.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

STYLE_SHEETS = {
    "@digigov/css/dist/digigov.css": "digigov.css",
    "@digigov/theme-govgr/dist/index.css": "theme-govgr.css",
}
"""Path below node_modules → name below static/vendor."""

FONT_PACKAGE = "@fontsource/roboto"
FONT_WEIGHTS = (400, 500, 700)
FONT_SUBSETS = ("greek-ext", "greek", "latin-ext", "latin")

_FONT_FACE = re.compile(r"/\* roboto-(?P<subset>[a-z-]+)-\d+-normal \*/\s*@font-face \{[^}]*\}")
_WOFF2_FILE = re.compile(r"url\(\./files/(?P<name>[a-z0-9-]+\.woff2)\) format\('woff2'\)")
_WOFF1_SOURCE = re.compile(r", url\(\./files/[a-z0-9-]+\.woff\) format\('woff'\)")


class AssetsMissing(Exception):
    """A package is not installed or no longer ships what the pages need."""


def copy_assets(node_modules: Path, vendor: Path) -> list[Path]:
    """Fill `vendor` afresh and return what was written.

    Raises:
        AssetsMissing: a file is not where the locked version of its package has it.
    """
    sheets = {name: _read(node_modules / source) for source, name in STYLE_SHEETS.items()}
    font_faces, font_files = _choose_fonts(node_modules / FONT_PACKAGE)
    shutil.rmtree(vendor, ignore_errors=True)
    written = [_write(vendor / name, text) for name, text in sheets.items()]
    written.append(_write(vendor / "roboto.css", font_faces))
    (vendor / "files").mkdir(parents=True)
    for name in font_files:
        source = node_modules / FONT_PACKAGE / "files" / name
        if not source.is_file():
            raise AssetsMissing(f"{source} is missing: run `npm ci`")
        written.append(Path(shutil.copyfile(source, vendor / "files" / name)))
    return written


def _choose_fonts(package: Path) -> tuple[str, list[str]]:
    """Return one sheet with the wanted alphabets and weights, and the font files it names."""
    faces: list[str] = []
    files: list[str] = []
    for weight in FONT_WEIGHTS:
        for face in _FONT_FACE.finditer(_read(package / f"{weight}.css")):
            if face["subset"] not in FONT_SUBSETS:
                continue
            text = _WOFF1_SOURCE.sub("", face[0])
            faces.append(text)
            files.extend(match["name"] for match in _WOFF2_FILE.finditer(text))
    if len(files) != len(FONT_WEIGHTS) * len(FONT_SUBSETS):
        raise AssetsMissing(f"{package} does not have the expected fonts")
    return "\n".join(faces) + "\n", files


def _read(path: Path) -> str:
    if not path.is_file():
        raise AssetsMissing(f"{path} is missing: run `npm ci`")
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def main() -> int:
    """Copy into this package's static folder."""
    static = Path(__file__).resolve().parent / "static"
    try:
        written = copy_assets(Path("node_modules"), static / "vendor")
    except AssetsMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(written)} files in {static / 'vendor'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
