"""A roster as one zip archive: what is in it is imported, what cannot be unpacked is refused in words."""

import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory.rpc import DirectoryServicer
from services.directory.uploading import unzip
from services.kit.auth import Caller, set_caller
from services.kit.errors import InvalidArgument
from tests.integration.directory.roster_files import roster


def packed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in roster().items():
            archive.writestr(f"set/{name}", content)
    return buffer.getvalue()


def damaged() -> bytes:
    content = bytearray(packed())
    # A member's bytes begin after its header of thirty bytes and its name.
    start = 30 + len(zipfile.ZipFile(io.BytesIO(content)).namelist()[0])
    content[start : start + 15] = b"\xff" * 15
    return bytes(content)


async def imported(engine: AsyncEngine, content: bytes) -> pb.ImportRosterResponse:
    async def pieces() -> AsyncIterator[pb.ImportRosterRequest]:
        yield pb.ImportRosterRequest(file_name="roster.zip", chunk=content)

    set_caller(Caller("operator", frozenset(), None))
    return await DirectoryServicer(engine, "America/New_York").ImportRoster(pieces(), None)


async def test_a_packed_roster_is_imported(directory_engine: AsyncEngine) -> None:
    answer = await imported(directory_engine, packed())
    assert {each.file_name: each.created for each in answer.files}["users.csv"] > 0


@pytest.mark.parametrize("content", [b"no archive", packed()[:-30], damaged()], ids=["text", "cut", "damaged"])
async def test_an_archive_that_cannot_be_unpacked_is_refused(directory_engine: AsyncEngine, content: bytes) -> None:
    with pytest.raises(InvalidArgument, match="not a zip archive that can be read"):
        await imported(directory_engine, content)


def bomb(packing: int) -> bytes:
    """64 MB that claim to be ten bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        archive.writestr("users.csv", bytes(64_000_000))
        archive.filelist[0].file_size = 10
    return buffer.getvalue()


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_larger_than_it_claims_stays_packed(packing: int) -> None:
    content = bomb(packing)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgument, match="not a zip archive that can be read"):
            unzip(content)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_an_archive_of_more_files_than_any_roster_has_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(101):
            archive.writestr(f"{number}.csv", b"")
    with pytest.raises(InvalidArgument, match="at most 100 files"):
        unzip(buffer.getvalue())
