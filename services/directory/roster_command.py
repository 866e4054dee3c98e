"""`import-roster`: hands the OneRoster archive on stdin to a running directory, as the information system does."""

import sys
from collections.abc import Iterator
from typing import BinaryIO

from protos.directory.v1 import directory_pb2 as pb
from protos.directory.v1 import directory_pb2_grpc
from services.directory.config import RosterSettings
from services.kit.config import load
from services.kit.errors import ServiceError
from services.kit.rpc_client import sync_channel
from services.kit.rpc_errors import translated

_CHUNK_BYTES = 1024 * 1024
_DEADLINE_SECONDS = 600.0


def import_roster() -> int:
    """Import stdin, print what came of it, and return the exit code: 0, or 1 when it or a row was refused."""
    settings = load(RosterSettings)
    token, service = settings.service_token.get_secret_value(), pb.DESCRIPTOR.services_by_name["DirectoryService"]
    pieces = _pieces(sys.stdin.buffer, accepts_leavers=settings.accepts_leavers)
    with sync_channel(
        settings.directory_address,
        [service],
        lambda: token,
        authority=settings.tls_authority,
        deadline_seconds=_DEADLINE_SECONDS,
    ) as channel:
        try:
            with translated():
                answer = directory_pb2_grpc.DirectoryServiceStub(channel).ImportRoster(pieces)
        except ServiceError as problem:
            details = [each.detail for each in problem.violations]
            print("\n".join([f"{problem.message} ({problem.reason})", *details]), file=sys.stderr)
            return 1
    return _told(answer)


def _pieces(content: BinaryIO, *, accepts_leavers: bool) -> Iterator[pb.ImportRosterRequest]:
    yield pb.ImportRosterRequest(file_name="roster.zip", accepts_leavers=accepts_leavers)
    while chunk := content.read(_CHUNK_BYTES):
        yield pb.ImportRosterRequest(chunk=chunk)


def _told(answer: pb.ImportRosterResponse) -> int:
    for each in answer.files:
        counts = (
            f"{each.created} created, {each.changed} changed, {each.unchanged} as they were, {each.deactivated} left"
        )
        print(f"{each.file_name}: {counts}")
    for problem in answer.problems:
        print(f"{problem.file_name}, line {problem.line}, {problem.column or 'row'}: {problem.detail}", file=sys.stderr)
    if answer.problem_count:
        print(f"{answer.problem_count} rows were refused.", file=sys.stderr)
    return 1 if answer.problem_count else 0
