"""Writes a new connector: a working folder with simulator and tests, green as it is written."""

from connectors.sdk.scaffold.write import NameTaken, scaffold

__all__ = ["NameTaken", "scaffold"]
