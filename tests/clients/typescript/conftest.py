"""The gateway's own fixtures: a whole gateway with two simulated vendors."""

from tests.gateway.conftest import make_world, own_logs, patience, pristine_home, world

__all__ = ["make_world", "own_logs", "patience", "pristine_home", "world"]
