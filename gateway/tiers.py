"""The tier that a connector has earned, as the contract suite last recorded it in the connector's folder.

`gatehouse connector check --write` writes `tier.json`; the tests run the suite and hold the file, and the ladder that
the connector's docstring names, to what it earns. So a tier is known without running anything.
"""

import inspect
import re
from importlib import import_module
from pathlib import Path

import orjson
from pydantic import BaseModel, ValidationError

from connectors.sdk import Connector
from connectors.sdk.contract import TierReport

_LADDER = re.compile(r"\bLadder: (bronze|silver|gold|platinum)\b")


class Recorded(BaseModel):
    """What the suite found: the tier, None below bronze, for so many actions of a version under so many checks."""

    tier: str | None
    version: str
    actions: int
    checks: int


def recorded(connector: Connector) -> Recorded | None:
    """Return what is recorded; None where nothing is, or where the connector has changed since."""
    try:
        found = Recorded.model_validate_json(_file(connector).read_bytes())
    except (OSError, ValidationError):
        return None
    current = found.version == connector.version and found.actions == len(connector.actions)
    return found if current else None


def record(connector: Connector, report: TierReport) -> Path:
    """Write the file and return it."""
    found = _recorded_of(connector, report)
    path = _file(connector)
    path.write_bytes(orjson.dumps(found.model_dump(), option=orjson.OPT_INDENT_2) + b"\n")
    return path


def is_recorded(connector: Connector, report: TierReport) -> bool:
    """Whether the file says what a run of the suite has found."""
    return recorded(connector) == _recorded_of(connector, report)


def declared(connector: Connector) -> str | None:
    """Return the rung that the connector's docstring names (`Ladder: gold`)."""
    about = inspect.getdoc(import_module(f"{connector.package}.connector")) or ""
    found = _LADDER.search(" ".join(about.split()))
    return found.group(1) if found else None


def _recorded_of(connector: Connector, report: TierReport) -> Recorded:
    return Recorded(tier=report.tier, version=connector.version, actions=report.actions, checks=len(report.outcomes))


def _file(connector: Connector) -> Path:
    return Path(inspect.getfile(import_module(connector.package))).parent / "tier.json"
