"""One valid input for every action."""

from typing import Any

from tests.connectors.sdk.toys.simulator.server import ToysSimulator


def arrange(simulator: ToysSimulator) -> dict[str, dict[str, Any]]:
    del simulator
    return {
        "toys.note.list": {"box": "team"},
        "toys.note.get": {"number": 2},
        "toys.note.create": {"box": "team", "text": "Buy milk"},
        "toys.note.delete": {"box": "team", "note": "n1"},
        "toys.note.publish": {"box": "team", "note": "n2"},
    }


def aliases(simulator: ToysSimulator) -> dict[str, list[dict[str, Any]]]:
    del simulator
    return {"toys.note.list": [{"box": "TEAM"}]}
