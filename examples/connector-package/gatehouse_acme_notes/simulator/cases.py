"""One valid input for every action, in a world that has what they name. The contract suite runs with them."""

from typing import Any

from gatehouse_acme_notes.simulator.server import AcmeNotesSimulator


def arrange(simulator: AcmeNotesSimulator) -> dict[str, dict[str, Any]]:
    """Return the inputs by action name."""
    note = simulator.spaces["team"][0]["id"]
    return {
        "acme_notes.note.list": {"space": "team"},
        "acme_notes.note.get": {"space": "team", "note": note},
        "acme_notes.note.create": {"space": "team", "text": "Buy milk"},
    }
