"""The version's resources, the org's limits, and feeds.

Source: REST API Developer Guide v67.0, "Resources by Version", "Limits"; Connect REST API Guide, "Feed Elements".
"""

from typing import Any

from connectors.salesforce.simulator.ask import Ask, dicts
from connectors.salesforce.simulator.refusals import Fault
from connectors.salesforce.simulator.routing import Route
from connectors.sdk.simulator import Answer

_LIMITS = {
    "DailyBulkApiBatches": (15000, 15000),
    "DataStorageMB": (10240, 10100),
    "FileStorageMB": (20480, 20480),
    "SingleEmail": (5000, 4990),
}


def resources(ask: Ask) -> Answer:
    """GET /: what the version has."""
    names = ("sobjects", "query", "queryAll", "search", "composite", "limits", "parameterizedSearch", "chatter")
    return Answer.of({name: f"{ask.base}/{name}" for name in names})


def limits(ask: Ask) -> Answer:
    """GET /limits."""
    used, most = ask.call.headers["x-used"], ask.call.headers["x-most"]
    shown: dict[str, Any] = {"DailyApiRequests": {"Max": int(most), "Remaining": int(most) - int(used)}}
    shown |= {name: {"Max": whole, "Remaining": left} for name, (whole, left) in _LIMITS.items()}
    return Answer.of(shown)


def post(ask: Ask) -> Answer:
    """POST /chatter/feed-elements."""
    body = ask.body()
    subject = ask.world.find(str(body.get("subjectId")))
    if body.get("feedElementType") != "FeedItem" or subject is None or subject.deleted:
        raise Fault("INVALID_ID_FIELD", "subjectId is not the id of something that has a feed")
    message = body.get("body")
    segments = dicts(message.get("messageSegments") if isinstance(message, dict) else None)
    text = "".join(str(one.get("text", "")) for one in segments if one.get("type") == "Text")
    if not text or len(text) > 10_000:
        raise Fault("INVALID_BODY", "a post has 1 to 10,000 characters")
    kind = ask.world.objects["feeditem"]
    row = ask.world.insert(kind, {"ParentId": subject.id, "Body": text, "Type": "TextPost"}, ask.user, ask.now)
    shown = {
        "id": row.id,
        "feedElementType": "FeedItem",
        "url": f"{ask.base}/chatter/feed-elements/{row.id}",
        "body": {"text": text, "messageSegments": segments},
        "parent": {"id": subject.id, "type": subject.object.name},
        "createdDate": row.values["CreatedDate"],
    }
    return ask.applied(shown, 201)


_CONNECT = frozenset({"api", "chatter_api"})
ROUTES = (
    Route("GET", "/", resources),
    Route("GET", "/limits", limits),
    Route("POST", "/chatter/feed-elements", post, _CONNECT),
)
