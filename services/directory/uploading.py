"""A roster as it comes over gRPC: pieces of named files, or of one zip archive."""

import asyncio
import io
import zipfile
import zlib
from collections.abc import AsyncIterable

from protos.directory.v1 import directory_pb2 as pb
from services.kit.errors import InvalidArgument

_ROSTER_BYTES = 200 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_MEMBER = b"PK\x01\x02"
"""What the entry of each file begins with in an archive's list of them."""
_MOST_MEMBERS = 100


async def collect(pieces: AsyncIterable[pb.ImportRosterRequest]) -> tuple[dict[str, bytes], bool]:
    """Return the files, unpacked, and whether leavers are accepted. InvalidArgument for what is no roster's form."""
    files: dict[str, bytearray] = {}
    name, size, accepts_leavers = "", 0, False
    async for piece in pieces:
        accepts_leavers = accepts_leavers or piece.accepts_leavers
        name = piece.file_name or name
        size += len(piece.chunk)
        if not name or len(piece.chunk) > _CHUNK_BYTES or size > _ROSTER_BYTES:
            wrong = [("/chunk", "Name the file first; a piece holds at most 1 MiB and a set at most 200 MiB.")]
            raise InvalidArgument("ROSTER_TOO_LARGE", "The roster is malformed or too large.", violations=wrong)
        files.setdefault(name, bytearray()).extend(piece.chunk)
    whole = {each: bytes(content) for each, content in files.items()}
    if "roster.zip" in whole:
        whole = await asyncio.to_thread(unzip, whole["roster.zip"])
    return whole, accepts_leavers


# What zipfile lets through of a damaged, cut or locked member.
_UNREADABLE = (zlib.error, EOFError, OSError, RuntimeError)


def unzip(content: bytes) -> dict[str, bytes]:
    """Return the files of an archive, wherever they lie in it. InvalidArgument when it cannot be read."""
    # Counted before zipfile makes an object of each.
    if content.count(_MEMBER) > _MOST_MEMBERS:
        raise InvalidArgument("ROSTER_TOO_LARGE", f"An archive has at most {_MOST_MEMBERS} files.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            # The sizes are checked before anything is unpacked, so that a bomb stays packed.
            if sum(each.file_size for each in members) > _ROSTER_BYTES:
                raise InvalidArgument("ROSTER_TOO_LARGE", "The unpacked roster is larger than 200 MiB.")
            return {each.filename.rpartition("/")[2]: _unpack(archive, each) for each in members}
    except (*_UNREADABLE, zipfile.BadZipFile) as problem:
        raise InvalidArgument("ROSTER_NOT_ZIP", "The file is not a zip archive that can be read.") from problem


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's content. BadZipFile for more of it than it claims, which is not unpacked."""
    # Of other ways of packing zipfile unpacks the whole, whatever is asked for.
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise zipfile.BadZipFile("It is packed in an unusual way.")
    with archive.open(member) as packed:
        return packed.read(member.file_size + 1)
