"""Every scope that a contract names: what an operator's token carries."""

import importlib

from deploy.local.processes import GRPC
from protos.types.v1 import options_pb2


def every_scope() -> frozenset[str]:
    """Return the scopes of all methods of all services."""
    scopes = set()
    for service in GRPC:
        contract = importlib.import_module(f"protos.{service}.v1.{service}_pb2")
        for each in contract.DESCRIPTOR.services_by_name.values():
            scopes |= {method.GetOptions().Extensions[options_pb2.scope] for method in each.methods}
    return frozenset(scopes - {""})
