"""A whole process from the kit: its command line, readiness, traces, logs, and its orderly end."""

import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.local.ports import free_port
from services.kit.rpc_client import sync_channel
from tests.support.echo.v1 import echo_pb2 as pb
from tests.support.echo.v1 import echo_pb2_grpc as stubs
from tests.support.eventually import eventually_sync
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

ECHO = pb.DESCRIPTOR.services_by_name["EchoService"]
TABLES = """
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL,
        subject text NOT NULL,
        payload bytea NOT NULL CHECK (length(payload) < 1000),
        traceparent text NOT NULL DEFAULT '', created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE consumed_events (durable text, event_id uuid, consumed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (durable, event_id));
"""


class Collector:
    """An OTLP/HTTP collector that keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Service:
    """The process under test."""

    environment: dict[str, str]
    folder: Path
    token: str
    process: "subprocess.Popen[bytes] | None" = None
    port: int = field(default_factory=free_port)
    metrics: int = field(default_factory=free_port)

    def start(self) -> None:
        environment = {
            **self.environment,
            "LISTEN": f"127.0.0.1:{self.port}",
            "METRICS_LISTEN": f"127.0.0.1:{self.metrics}",
        }
        with (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.echo", "serve"], env=environment, stdout=out
            )
        eventually_sync(self.assert_ready, 30)

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def assert_ready(self) -> None:
        try:
            status, _ = self.get("/readyz")
        except OSError as problem:
            raise AssertionError("not listening yet") from problem
        assert status == 200

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in (self.folder / "out").read_text().splitlines()]

    def say(self, text: str) -> str:
        with sync_channel(f"127.0.0.1:{self.port}", [ECHO], lambda: self.token) as channel:
            return str(stubs.EchoServiceStub(channel).Say(pb.SayRequest(text=text)).text)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def service(
    databases: Databases, nats_url: str, tokens: Tokens, tmp_path: Path, collector: Collector
) -> Iterator[Service]:
    database = databases.blank("directory")
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(TABLES)
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database.url,
        "NATS_URL": nats_url,
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "SERVICE_TOKEN": tokens.service(),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    service = Service(environment, tmp_path, tokens.service("echo.say"))
    yield service
    if service.process and service.process.poll() is None:
        service.process.kill()
        service.process.wait()


def test_a_call_under_way_is_finished_when_the_process_is_told_to_stop(service: Service) -> None:
    service.start()
    said: list[str] = []
    caller = threading.Thread(target=lambda: said.append(service.say("slow")))
    caller.start()

    def began() -> None:
        assert "say_began" in service.events()

    eventually_sync(began)
    assert service.process
    service.process.send_signal(signal.SIGTERM)
    caller.join(10)
    assert said == ["slow"]
    assert service.process.wait(10) == 0
    assert service.events()[-1] == "process_stopped"


def test_one_trace_runs_from_the_call_through_sql_and_nats_to_the_consumer(
    service: Service, collector: Collector
) -> None:
    service.start()
    assert service.say("hello") == "hello"

    def whole() -> None:
        names: dict[bytes, set[str]] = {span.trace_id: set() for span in collector.spans}
        for span in collector.spans:
            names[span.trace_id].add(span.name.split(" ")[0].strip("/"))
        assert any({"INSERT", "process"} <= each and any("Say" in name for name in each) for each in names.values()), (
            names.values()
        )

    eventually_sync(whole)


def test_no_span_quotes_the_row_that_the_database_refused(service: Service, collector: Collector) -> None:
    service.start()
    with pytest.raises(grpc.RpcError):
        service.say("Ann Miller, 12 Elm Street. " * 100)

    def told() -> None:
        assert any(span.events for span in collector.spans if "Say" in span.name)

    eventually_sync(told)
    assert "Failing row" not in str(collector.spans)


def test_metrics_and_health_are_served(service: Service) -> None:
    service.start()
    service.say("hello")
    assert service.get("/healthz")[0] == 200
    assert service.get("/nothing")[0] == 404

    def counted() -> None:
        assert "lantern_outbox_published" in service.get("/metrics")[1]

    eventually_sync(counted)
    shown = service.get("/metrics")[1]
    assert "rpc_server_call_duration" in shown
    assert "lantern_service_token_left_seconds" in shown
    # What alert rules look at is there before it happens.
    assert re.search(r"^lantern_outbox_age_seconds(\{.*\})? 0\.0$", shown, re.MULTILINE)
    assert re.search(r"^lantern_events_dead_lettered_total\{.*\} 0\.0$", shown, re.MULTILINE)
    assert "service_token_ends" in service.events(), "it holds for an hour only"


def test_a_wrong_environment_is_refused_with_every_problem(service: Service) -> None:
    environment = {**service.environment, "DATABASE_URL": "", "LISTEN": "nowhere"}
    for arguments in (["serve"], [], ["--check-config"]):
        command = [sys.executable, "-m", "tests.support.echo", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        printed = done.stdout + done.stderr
        assert "LISTEN" in printed
        assert "DATABASE_URL" in printed


def test_a_call_to_a_process_that_is_gone_is_unavailable(service: Service) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        service.say("hello")
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
