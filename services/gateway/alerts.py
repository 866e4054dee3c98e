"""Threat alerts for open browsers: one stream from notify for each process, fanned out to whoever is looking.

A browser is told only that something changed; it then asks for its alerts in its own name, so that nobody is shown
what they may no longer see.
"""

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import grpc

from protos.notify.v1 import notify_pb2
from services.gateway.clients import Clients
from services.kit.logs import get_logger
from services.kit.rpc_errors import from_grpc

_log = get_logger(__name__)
_STREAM_SECONDS = 3600.0
_LONGEST_WAIT_SECONDS = 5.0
BEAT_SECONDS = 15.0
"""A silent stream says this often that it is alive, which is also how a browser that left is noticed."""


class AlertHub:
    """Knows the browsers that look, by person."""

    def __init__(self, clients: Clients, limit: int) -> None:
        """Take the stubs, and the most streams to keep at once."""
        self._clients, self._limit = clients, limit
        self._lock = threading.Lock()
        self._waiting: dict[str, set[queue.SimpleQueue[str]]] = defaultdict(set)
        self._open: dict[object, Callable[[], object]] = {}
        self._stopping = threading.Event()
        self._call: grpc.Call | None = None
        self.is_connected = threading.Event()

    def start(self) -> None:
        """Follow notify's stream on a thread of its own, as long as the process lives."""
        threading.Thread(target=self._follow, name="alerts", daemon=True).start()

    def stop(self) -> None:
        """End the stream and every browser's."""
        self._stopping.set()
        if self._call is not None:
            self._call.cancel()
        self._tell_all("stop")
        with self._lock:
            cancels = list(self._open.values())
        for cancel in cancels:
            cancel()

    def take_stream(self, cancel: Callable[[], object]) -> object | None:
        """Reserve one of the process's live streams, which `cancel` ends; None when all are taken or it is stopping."""
        with self._lock:
            if len(self._open) >= self._limit or self._stopping.is_set():
                return None
            place = object()
            self._open[place] = cancel
            return place

    def give_back_stream(self, place: object) -> None:
        """Free what take_stream reserved; again is no mistake."""
        with self._lock:
            self._open.pop(place, None)

    def changes(self, person_id: str, seconds: float) -> Iterator[bool]:
        """Yield True when the person's alerts may have changed, False as a sign of life, for about `seconds`."""
        inbox: queue.SimpleQueue[str] = queue.SimpleQueue()
        with self._lock:
            self._waiting[person_id].add(inbox)
        try:
            yield True
            for _ in range(int(seconds / BEAT_SECONDS)):
                try:
                    word = inbox.get(timeout=BEAT_SECONDS)
                except queue.Empty:
                    yield False
                    continue
                if word == "stop":
                    return
                yield True
        finally:
            self._leave(person_id, inbox)

    def _leave(self, person_id: str, inbox: "queue.SimpleQueue[str]") -> None:
        with self._lock:
            self._waiting[person_id].discard(inbox)
            if not self._waiting[person_id]:
                del self._waiting[person_id]

    def _follow(self) -> None:
        wait = 0.2
        while not self._stopping.is_set():
            try:
                if self._read_stream():
                    wait = 0.2
            except grpc.RpcError as problem:
                code = from_grpc(problem).code
                if self._stopping.is_set():
                    return
                _log.warning("alert_stream_lost", code=code)
            if self.is_connected.is_set():
                self.is_connected.clear()
                # Browsers whose own stream is open would not learn otherwise that no alert can reach them.
                self._tell_all("changed")
            self._stopping.wait(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _read_stream(self) -> bool:
        """Pass on what the stream says until it ends; tell whether it said anything."""
        request = notify_pb2.WatchAllAlertsRequest()
        call = self._clients.notify.WatchAllAlerts(
            request, metadata=self._clients.as_gateway, timeout=_STREAM_SECONDS, wait_for_ready=True
        )
        self._call = call
        # The headers come once notify listens for us; what happened before that is fetched by the browsers.
        call.initial_metadata()
        self.is_connected.set()
        self._tell_all("changed")
        has_spoken = False
        for change in call:
            has_spoken = True
            self._tell(change.alert.person_id)
        return has_spoken

    def _tell(self, person_id: str) -> None:
        with self._lock:
            for inbox in self._waiting.get(person_id, ()):
                inbox.put("changed")

    def _tell_all(self, word: str) -> None:
        with self._lock:
            for inboxes in self._waiting.values():
                for inbox in inboxes:
                    inbox.put(word)
