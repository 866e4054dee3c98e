"""Directory, queue and reports as real processes, and the gateway's application in front of them."""

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import grpc
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jinja2.bccache import Bucket, BytecodeCache
from pydantic import SecretStr
from werkzeug.test import TestResponse

from deploy.local.ports import free_port
from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from services.gateway import sessions
from services.gateway.accounts import NewAccount, add_accounts
from services.gateway.app import create_app
from services.gateway.config import GatewaySettings
from services.gateway.state import Gateway
from services.gateway.wsgi import assemble
from services.kit.clock import utc_now
from tests.integration.directory.roster_files import ROLES, USERS, roster
from tests.support.eventually import eventually_sync
from tests.support.forked import Forked, start
from tests.support.nats import empty_sync
from tests.support.postgres import Databases, lending
from tests.support.tokens import Tokens

PASSWORD = "correct horse"
_OWN_SCOPES = (
    "moderation.opinions",
    "queue.answers",
    "queue.receipts",
    "queue.recordings",
    "queue.texts",
    "notify.watch",
)
ANSWERS_SECRET = "a" * 32
UNSUBSCRIBE_SECRET = "u" * 32
TWILIO_TOKEN = "test-twilio-token"
MODAPI_SECRET = "test-modapi-webhook-secret"
SERVICES = ("directory", "queue", "reports")
_ALL = (*SERVICES, "moderation", "notify")
_USERS = {
    "pri": "Ida Cole",
    "tea": "Tom Reed",
    "amy": "Amy Stone",
    "mum": "Rosa Stone",
    "off": "Ada North",
    "cou": "Lee Marsh",
    "both": "Bo Both",
}
_BOTH_USER = "both,true,Bo,Both,T-2,bo.both,bo@example.org,,,,,\n"
_BOTH_ROLES = "10,both,primary,teacher,s1\n11,both,secondary,teacher,s2\n"
"""A teacher of two schools, one of them excluded from communication."""
_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""A hash of full strength takes a fifth of a second of a core, and tests sign in a thousand times."""
_HIDDEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Compiled(BytecodeCache):
    """Templates as one application compiled them, for those of all other stacks: kept in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if kept := self._kept.get(bucket.key):
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = Compiled()


@dataclass
class MovableClock:
    """The machine's time, and as much later as a test says."""

    later: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.later


@dataclass
class Browser:
    """A browser of one person: keeps cookies, fills form tokens."""

    client: FlaskClient

    def get(self, address: str, **kwargs: Any) -> TestResponse:
        return self.client.get(address, **kwargs)

    def rows(self, report: str) -> list[dict[str, Any]]:
        """Return the rows of a report, at most 500. AssertionError when it cannot be read now."""
        answer = self.get(f"/api/v1/reports/{report}?size=500")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        rows: list[dict[str, Any]] = answer.get_json()["rows"]
        return rows

    def post(self, address: str, data: dict[str, Any] | None = None, *, page: str = "/inbox") -> TestResponse:
        """Post a form as the page at `page` would."""
        found = _HIDDEN.search(self.client.get(page).get_data(as_text=True))
        assert found, f"{page} has no form"
        return self.client.post(address, data={"csrf_token": found[1], **(data or {})})

    def send_json(self, method: str, address: str, body: object) -> TestResponse:
        """Send JSON as a program that is signed in."""
        token = self.client.get("/api/v1/viewer").get_json()["csrf_token"]
        return self.client.open(address, method=method, json=body, headers={"X-CSRFToken": token})

    def sign_in(self, username: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/sign-in", {"username": username, "password": password}, page="/sign-in")


@dataclass
class Stack:
    """Everything that a test needs."""

    app: Flask
    gateway: Gateway
    clock: MovableClock
    people: dict[str, str]
    operator: Any
    nats_url: str
    school_id: str
    """The school that most people of the roster belong to."""
    processes: list[Forked] = field(default_factory=list)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each service was started with."""

    def browser(self, username: str = "") -> Browser:
        """Return a new browser, signed in when a username is given."""
        browser = Browser(self.app.test_client())
        if username:
            assert browser.sign_in(username).status_code == 303
        return browser


@contextmanager
def away(stack: Stack, **stubs: Any) -> Iterator[None]:
    """Let nobody answer some clients of the gateway, each given as its name and the class of its stub."""
    clients = stack.gateway.clients
    with grpc.insecure_channel(f"127.0.0.1:{free_port()}") as nowhere:
        gone = dataclasses.replace(clients, **{name: stub(nowhere) for name, stub in stubs.items()})
        object.__setattr__(stack.gateway, "clients", gone)
        try:
            yield
        finally:
            object.__setattr__(stack.gateway, "clients", clients)


@contextmanager
def running(server: str, nats_url: str, tokens: Tokens, services: tuple[str, ...] = SERVICES) -> Iterator[Stack]:
    """Start the services on an empty bus, load a small roster, add accounts, yield the stack; leave nothing behind."""
    empty_sync(nats_url)
    with (
        lending(server) as databases,
        TemporaryDirectory(prefix="recordings-") as recordings,
        mock.patch.object(sessions, "_hasher", _HASHER),
    ):
        environments = _environments(services, databases, nats_url, tokens, recordings)
        processes = [start(name, "serve", {**os.environ, **each}) for name, each in environments.items()]
        try:
            for each in environments.values():
                _wait(each["LISTEN"])
            stack = _assembled(environments, databases, tokens, processes, nats_url)
            yield stack
            stack.gateway.engine.dispose()
            for channel in stack.gateway.clients.channels.values():
                channel.close()
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(15)


def _environments(
    services: tuple[str, ...], databases: Databases, nats_url: str, tokens: Tokens, recordings: str
) -> dict[str, dict[str, str]]:
    shared = {
        **{f"{name.upper()}_ADDRESS": f"127.0.0.1:{free_port()}" for name in _ALL},
        "NATS_URL": nats_url,
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "RECORDINGS_FOLDER": recordings,
        "RECORDINGS_SECRET": "r" * 32,
        "ANSWERS_SECRET": ANSWERS_SECRET,
        "ANSWERS_URL": "https://lantern.example.org/answer",
        "UNSUBSCRIBE_SECRET": UNSUBSCRIBE_SECRET,
        "LOG_LEVEL": "WARNING",
    }
    return {
        name: {
            **shared,
            "LISTEN": shared[f"{name.upper()}_ADDRESS"],
            "DATABASE_URL": databases.copy(name).url,
            "SERVICE_TOKEN": tokens.service("directory.read", "queue.read", name=name),
        }
        for name in services
    }


def _wait(address: str) -> None:
    # A server that does not listen yet is asked again at once, not after gRPC's second.
    with grpc.insecure_channel(address, [("grpc.initial_reconnect_backoff_ms", 100)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        def is_serving() -> None:
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError as problem:
                raise AssertionError(f"{address} does not answer") from problem
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

        eventually_sync(is_serving, 30)


def _assembled(
    environments: dict[str, dict[str, str]],
    databases: Databases,
    tokens: Tokens,
    processes: list[Forked],
    nats_url: str,
) -> Stack:
    addresses: Any = {f"{name}_address": environments["directory"][f"{name.upper()}_ADDRESS"] for name in _ALL}
    secret = SecretStr(tokens.service("directory.read", "moderation.read", *_OWN_SCOPES, name="gateway"))
    settings = GatewaySettings(
        **addresses,
        database_url=SecretStr(databases.copy("gateway").url),
        session_secret=SecretStr("s" * 40),
        gateway_key=SecretStr(json.dumps(tokens.gateway.as_dict(private=True))),
        service_token=secret,
        public_url="http://localhost",
        twilio_auth_token=SecretStr(TWILIO_TOKEN),
        modapi_webhook_secret=SecretStr(MODAPI_SECRET),
        district_name="Lincoln County Schools",
    )
    clock = MovableClock()
    gateway = assemble(settings, clock)
    operator = tokens.service("directory.read", "directory.write", "queue.write", name="operator")
    people = _load_people(gateway, operator)
    accounts = [NewAccount(username=name, password=PASSWORD, person_id=people[name]) for name in _USERS]
    add_accounts(gateway.engine, accounts)
    metadata = (("authorization", f"Bearer {operator}"),)
    found = gateway.clients.directory.ListSchools(directory_pb2.ListSchoolsRequest(), metadata=metadata).schools
    school_id = next(each.school_id for each in found if each.sourced_id == "s1")
    app = create_app(gateway)
    app.jinja_env.bytecode_cache = _COMPILED
    return Stack(app, gateway, clock, people, metadata, nats_url, school_id, processes, environments)


def enable_exclusion(stub: directory_pb2_grpc.DirectoryServiceStub, metadata: Any) -> None:
    """Enable the system field of schools for the district administrator alone (statement 224)."""
    profiles = stub.ListProfiles(directory_pb2.ListProfilesRequest(), metadata=metadata).profiles
    mine = [each.profile_id for each in profiles if each.name == "District administrator"]
    (field,) = stub.ListSchoolFields(directory_pb2.ListSchoolFieldsRequest(), metadata=metadata).fields
    field.MergeFrom(directory_pb2.SchoolField(is_enabled=True, is_on_school_info=True, viewers=mine, editors=mine))
    stub.UpdateSchoolField(directory_pb2.UpdateSchoolFieldRequest(field=field), metadata=metadata)


def switch_call_out(stack: Stack, *, is_on: bool) -> None:
    """Switch texts and calls of the district."""
    module = directory_pb2.Module(name="call_out", is_purchased=True, is_enabled=is_on)
    stack.gateway.clients.directory.UpdateModule(
        directory_pb2.UpdateModuleRequest(module=module), metadata=stack.operator
    )


def _load_people(gateway: Gateway, operator: str) -> dict[str, str]:
    stub: directory_pb2_grpc.DirectoryServiceStub = gateway.clients.directory
    metadata = (("authorization", f"Bearer {operator}"),)
    files = roster(users=USERS + _BOTH_USER, roles=ROLES + _BOTH_ROLES)
    pieces = [directory_pb2.ImportRosterRequest(file_name=name, chunk=chunk) for name, chunk in files.items()]
    stub.ImportRoster(iter(pieces), metadata=metadata, timeout=30)
    enable_exclusion(stub, metadata)
    for name in ("call_out", "moderation_api"):
        module = directory_pb2.Module(name=name, is_purchased=True, is_enabled=True)
        stub.UpdateModule(directory_pb2.UpdateModuleRequest(module=module), metadata=metadata)
    found = stub.SearchPeople(directory_pb2.SearchPeopleRequest(limit=50), metadata=metadata).people
    ids = {each.sourced_id: each.person_id for each in found}
    return {name: ids[name] for name in _USERS}
