"""Where the audio of recordings is kept: Amazon S3, or what speaks like it, or a folder of this machine."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from services.kit.errors import NotFound, ServiceError, Unavailable
from services.queue.providers.aws import AwsClient, AwsSettings

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


class RecordingStore(Protocol):
    """Keeps audio by its recording's id. Its methods raise Unavailable when it does not answer."""

    async def put(self, recording_id: str, content: bytes, content_type: str) -> None:
        """Keep the audio; the same again changes nothing."""
        ...

    async def read(self, recording_id: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`, fewer at the end. NotFound when the audio is gone."""
        ...

    async def remove(self, recording_id: str) -> None:
        """Remove the audio, if it is there."""
        ...

    async def close(self) -> None:
        """End the connections."""
        ...


class S3Recordings:
    """A bucket, which must exist and be open to nobody: everything is served by us."""

    def __init__(self, settings: AwsSettings, bucket: str) -> None:
        """Nothing is connected yet."""
        self._aws = AwsClient("s3", settings)
        self._bucket = bucket

    async def put(self, recording_id: str, content: bytes, content_type: str) -> None:
        """Put the object."""
        try:
            await self._aws.call(
                self._aws.client.put_object,
                Bucket=self._bucket,
                Key=_key(recording_id),
                Body=content,
                ContentType=content_type,
            )
        except (BotoCoreError, ClientError) as problem:
            raise _silent() from problem

    async def read(self, recording_id: str, start: int, length: int) -> bytes:
        """Get a range of the object."""
        wanted = f"bytes={start}-{start + length - 1}"

        def get() -> bytes:
            answer = self._aws.client.get_object(Bucket=self._bucket, Key=_key(recording_id), Range=wanted)
            return bytes(answer["Body"].read())

        try:
            return await self._aws.call(get)
        except ClientError as problem:
            if problem.response.get("Error", {}).get("Code") == "NoSuchKey":
                raise _gone() from problem
            raise _silent() from problem
        except BotoCoreError as problem:
            raise _silent() from problem

    async def remove(self, recording_id: str) -> None:
        """Delete the object; S3 says nothing of one that is not there."""
        try:
            await self._aws.call(self._aws.client.delete_object, Bucket=self._bucket, Key=_key(recording_id))
        except (BotoCoreError, ClientError) as problem:
            raise _silent() from problem

    async def close(self) -> None:
        """End the connections."""
        await self._aws.close()


class FolderRecordings:
    """Files of a folder that every process of the queue reaches: for one machine."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when it is missing."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, recording_id: str, content: bytes, content_type: str) -> None:
        """Write the file whole, or not at all."""
        await self._on_thread(_write, self._path(recording_id), content)

    async def read(self, recording_id: str, start: int, length: int) -> bytes:
        """Read a part of the file."""
        return await self._on_thread(_read, self._path(recording_id), start, length)

    async def remove(self, recording_id: str) -> None:
        """Delete the file."""
        await self._on_thread(self._path(recording_id).unlink, missing_ok=True)

    async def close(self) -> None:
        """Nothing is open."""

    async def _on_thread(
        self, function: Callable[ArgumentsT, ResultT], *arguments: ArgumentsT.args, **named: ArgumentsT.kwargs
    ) -> ResultT:
        try:
            return await asyncio.to_thread(function, *arguments, **named)
        except FileNotFoundError as problem:
            raise _gone() from problem
        except OSError as problem:
            raise _silent() from problem

    def _path(self, recording_id: str) -> Path:
        return self._folder / recording_id


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def _key(recording_id: str) -> str:
    return f"recordings/{recording_id}"


def _gone() -> ServiceError:
    return NotFound("RECORDING_NOT_FOUND", "The recording is no longer kept.")


def _silent() -> ServiceError:
    return Unavailable("RECORDINGS_UNAVAILABLE", "The store of recordings does not answer.", retry_after_seconds=5)
