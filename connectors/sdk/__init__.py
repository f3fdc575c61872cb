"""All that a connector author imports."""

from connectors.sdk.action import Action, DeclarationError
from connectors.sdk.auth import Account, AppInstallation, BasicToken, OAuthUser, StaticToken
from connectors.sdk.connector import Connector
from connectors.sdk.custom import CustomField, CustomFields, choice
from connectors.sdk.errors import (
    ActionError,
    ConstraintDenied,
    InvalidInput,
    UpstreamConflict,
    UpstreamForbidden,
    UpstreamInvalidResponse,
    UpstreamNotFound,
    UpstreamProblem,
    UpstreamRejected,
)
from connectors.sdk.exchange import Response
from connectors.sdk.facts import (
    Effect,
    Irreversible,
    Located,
    Native,
    NaturalKey,
    Reconcile,
    Resource,
    Safe,
    Searched,
    Unbound,
    Undo,
    Unknowable,
)
from connectors.sdk.model import CursorQuery, Done, FileRef, Input, Output, Page, PageQuery, SecretText, StoredFile
from connectors.sdk.quota import Quota, Throttled
from connectors.sdk.upstream import Repeated, Upstream, strip_markers

__all__ = [
    "Account",
    "Action",
    "ActionError",
    "AppInstallation",
    "BasicToken",
    "Connector",
    "ConstraintDenied",
    "CustomField",
    "CustomFields",
    "CursorQuery",
    "DeclarationError",
    "Done",
    "Effect",
    "FileRef",
    "Input",
    "InvalidInput",
    "Irreversible",
    "Located",
    "Native",
    "NaturalKey",
    "OAuthUser",
    "Output",
    "Page",
    "PageQuery",
    "Quota",
    "Reconcile",
    "Repeated",
    "Resource",
    "Response",
    "Safe",
    "Searched",
    "SecretText",
    "StaticToken",
    "StoredFile",
    "Throttled",
    "Unbound",
    "Undo",
    "Unknowable",
    "Upstream",
    "UpstreamConflict",
    "UpstreamForbidden",
    "UpstreamInvalidResponse",
    "UpstreamNotFound",
    "UpstreamProblem",
    "UpstreamRejected",
    "choice",
    "strip_markers",
]
