"""The kit that vendors' stand-ins are built from: real HTTP on loopback, a record of effects, faults on demand.

It knows nothing of this gateway: a vendor's own client must be able to talk to what is built on it.
"""

from connectors.sdk.simulator.answer import Answer, Call, Refusal
from connectors.sdk.simulator.faults import Fault, Faults
from connectors.sdk.simulator.oauth import Client, OAuthServer
from connectors.sdk.simulator.record import Applied, Received, trailing_comment
from connectors.sdk.simulator.routes import Routes
from connectors.sdk.simulator.server import Consent, Simulator, Throttle

__all__ = [
    "Answer",
    "Applied",
    "Call",
    "Client",
    "Consent",
    "Fault",
    "Faults",
    "OAuthServer",
    "Received",
    "Refusal",
    "Routes",
    "Simulator",
    "Throttle",
    "trailing_comment",
]
