"""A stateful stand-in for Acme Notes, on loopback. It holds no logic of the gateway."""

from gatehouse_acme_notes.simulator.server import AcmeNotesSimulator

SIMULATOR = AcmeNotesSimulator

__all__ = ["SIMULATOR", "AcmeNotesSimulator"]
