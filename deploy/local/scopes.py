"""Every scope that a contract names: what an operator's token carries."""

import importlib
from pathlib import Path

from google.protobuf.descriptor import ServiceDescriptor

from deploy.local.processes import GRPC
from protos.types.v1 import options_pb2

_ROOT = Path(__file__).parents[2]


def services_of(service: str) -> list[ServiceDescriptor]:
    """Return what a service answers: every gRPC service of its contracts."""
    contracts = sorted((_ROOT / "protos" / service / "v1").glob("*.proto"))
    modules = [importlib.import_module(f"protos.{service}.v1.{each.stem}_pb2") for each in contracts]
    return [found for each in modules for found in each.DESCRIPTOR.services_by_name.values()]


def every_scope() -> frozenset[str]:
    """Return the scopes of all methods of all services."""
    methods = [method for name in GRPC for each in services_of(name) for method in each.methods]
    return frozenset(method.GetOptions().Extensions[options_pb2.scope] for method in methods) - {""}
