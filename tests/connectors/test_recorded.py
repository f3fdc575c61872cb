"""What real accounts have answered (`gatehouse connector record`) is still asked for in that way, and still types."""

from pathlib import Path

import orjson

from connectors.sdk.contract.replay import replay
from gateway.registry import SHIPPED, load

FIXTURES = sorted(Path(__file__).parent.glob("*/recorded/*.json"))


def test_every_fixture_is_one_of_a_connector_that_ships() -> None:
    assert {path.parts[-3] for path in FIXTURES} <= set(SHIPPED)


async def test_every_recorded_call_replays() -> None:
    connectors = load().connectors

    for path in FIXTURES:
        await replay(connectors[path.parts[-3]], orjson.loads(path.read_bytes()))
