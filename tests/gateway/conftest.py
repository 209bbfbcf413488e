"""What the gateway's tests share: the models of all services, prepared once."""

import pytest

from producers.gateway.model import Service, load_services
from producers.gateway.route import Router
from tests.gateway.operations import OPERATIONS


@pytest.fixture(scope="session")
def services() -> dict[tuple[str, str], Service]:
    """Every service in every protocol; no operation is implemented."""
    loaded = load_services({name: object() for name in OPERATIONS})
    return {(service.name, service.protocol): service for service in loaded}


@pytest.fixture(scope="session")
def router(services: dict[tuple[str, str], Service]) -> Router:
    """The router of all services."""
    return Router(list(services.values()))
