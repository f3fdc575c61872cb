"""The vendor of toys."""

from tests.connectors.sdk.toys.simulator.server import ToysSimulator

SIMULATOR = ToysSimulator
