"""The Python client of Gatehouse.

from gatehouse_client import Gatehouse

gh = Gatehouse("https://gatehouse.example", key)
issue = gh.github.issue.create(owner="acme", repo="web", title="Broken login").output
"""

from gatehouse_client.aio import AsyncBaseRun, AsyncClient, AsyncGatehouse, AsyncRun
from gatehouse_client.errors import (
    AskAPerson,
    ConnectFirst,
    FixTheCall,
    GatehouseError,
    LookFirst,
    StillWaiting,
    TryLater,
    VendorRefused,
)
from gatehouse_client.options import Patience
from gatehouse_client.sync import BaseRun, Client, Gatehouse, Run
from gatehouse_client.values import ActionInfo, Call, Content, Event, File, Preview

__all__ = [
    "ActionInfo",
    "AskAPerson",
    "AsyncBaseRun",
    "AsyncClient",
    "AsyncGatehouse",
    "AsyncRun",
    "BaseRun",
    "Call",
    "Client",
    "ConnectFirst",
    "Content",
    "Event",
    "File",
    "FixTheCall",
    "Gatehouse",
    "GatehouseError",
    "LookFirst",
    "Patience",
    "Preview",
    "Run",
    "StillWaiting",
    "TryLater",
    "VendorRefused",
]
