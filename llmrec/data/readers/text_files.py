"""Open text files: unpacked, decoded by a named encoding or a byte-order mark, in blocks or as a whole."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from llmrec.errors import DataError

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 24
_HEAD_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Letters that stand together on average where all of a word are beyond ASCII.
_OF_WORDS = 3
# Any bytes can be read by these, so that reading by one of them proves nothing.
_ONE_BYTE = ("cp125", "iso8859", "latin", "mac")


@dataclass(frozen=True, eq=False)
class TextFile:
    """A file that is read as UTF-8 bytes. ``content`` is given where its bytes are not those of the file."""

    path: Path
    content: bytes | None = None

    @classmethod
    def of(cls, path: Path, encoding: str = "") -> TextFile:
        """Name a file and its encoding: UTF-8 unless named or told by a byte-order mark.

        Raises DataError for an unknown encoding and where the file is not in it.
        """
        file = cls(path)
        name = _codec(encoding)
        if file.head(2) in _UTF_16 and not name.startswith("utf-16"):
            name = "utf-16"
        if name == "utf-8":
            return file
        content = file.read()
        if name.startswith(_ONE_BYTE) and _is_utf8(content):
            if not content.isascii():
                log.warning("%s: is UTF-8 text, so it is not read as %s", path.name, encoding)
            return file
        try:
            return cls(path, content.decode(name).removeprefix("\ufeff").encode())
        except UnicodeError as error:
            raise DataError(f"{path.name}: is not {name} text ({error}); name its encoding") from error

    def open(self) -> AbstractContextManager[Any]:
        """Return a binary stream of the unpacked file."""
        import pyarrow as pa

        if self.content is not None:
            return cast("AbstractContextManager[Any]", pa.BufferReader(self.content))
        return cast("AbstractContextManager[Any]", pa.input_stream(str(self.path), compression="detect"))

    def head(self, size: int = _HEAD_BYTES) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return bytes(stream.read(size))

    def read(self) -> bytes:
        """Return all bytes, without a byte-order mark."""
        with self.open() as stream:
            return bytes(stream.read()).removeprefix(_BOM)

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield all bytes in blocks."""
        with self.open() as stream:
            while block := stream.read(size):
                yield bytes(block)

    def with_content(self, content: bytes) -> TextFile:
        """Return the file as if it held these bytes."""
        return replace(self, content=content)

    def undecodable(self) -> DataError:
        """Return the error that names the first line that is not UTF-8."""
        lines = self.read().split(b"\n")
        number = next((n for n, line in enumerate(lines, start=1) if not _is_utf8(line)), 1)
        return encoding_error(self.path, number, lines[number - 1])


def encoding_error(path: Path, line: int, content: bytes) -> DataError:
    """Return the error for a line that is not UTF-8, with the encoding that it may have."""
    likely = _likely_encoding(content)
    return DataError(
        f"{path.name}: line {line} is not UTF-8 text; name its encoding, for example --encoding {likely} "
        f"(encoding={likely!r}), or convert it: iconv -f {likely} -t UTF-8"
    )


def _likely_encoding(content: bytes) -> str:
    """Return an encoding by how bytes beyond ASCII stand together: accents, Cyrillic words, Chinese pairs."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", content)]
    if runs and all(length % 2 == 0 for length in runs):
        try:
            content.decode("gb18030")
        except UnicodeDecodeError:
            pass
        else:
            return "gb18030"
    return "cp1251" if runs and sum(runs) >= _OF_WORDS * len(runs) else "cp1252"


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding or "utf-8").name
        "".encode(name)
    except LookupError:
        raise DataError(
            f"--encoding {encoding}: no such encoding of text; write for example cp1252, latin-1 or utf-16"
        ) from None
    return "utf-8" if name == "utf-8-sig" else name
