"""Posts to Chatter feeds. Source: Connect REST API Developer Guide v67.0, "Post a Feed Element"."""

from typing import Annotated

from pydantic import Field

from connectors.salesforce.connector import API, API_SCOPE, CHATTER_SCOPE, salesforce
from connectors.salesforce.names import RECORD, THE_RECORD, OfRecord
from connectors.sdk import Effect, Irreversible, Output, Unknowable, Upstream


class Post(OfRecord):
    """What to say, and on which record."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)] = Field(description="Plain text.")


class FeedElement(Output):
    """A post."""

    id: str
    url: str | None = None


@salesforce.action(
    "feed.post",
    scopes={"salesforce:feed:write"},
    effect=Effect.CREATE,
    resource=THE_RECORD,
    vendor_scopes=API_SCOPE | CHATTER_SCOPE,
    idempotency=Unknowable("A post carries nothing but its words, which somebody else may have posted too."),
    undo=Irreversible("Those who follow the record have been notified; people can delete the post."),
    examples=[{"object": "Account", "id": "001000000000001AAA", "text": "They renew in May."}],
)
async def post(api: Upstream, new: Post) -> FeedElement:
    """Post to the Chatter feed of a record: all who follow it see it. The record is read first."""
    # Connect takes an id of any kind: the read makes sure that it is of the object that was named.
    await api.get(RECORD, new, params={"fields": "Id"})
    body = {
        "feedElementType": "FeedItem",
        "subjectId": new.id,
        "body": {"messageSegments": [{"type": "Text", "text": new.text}]},
    }
    return api.read(FeedElement, await api.post(API + "/chatter/feed-elements", json=body))
