from collections.abc import AsyncIterator

import pytest

from tests.gateway.federation.house import House
from tests.gateway.federation.standin import IssuerStandIn
from tests.gateway.world import World


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerStandIn]:
    made = IssuerStandIn()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def house(world: World, issuer: IssuerStandIn) -> House:
    return House(world, issuer)
