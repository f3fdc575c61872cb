"""Reviews of pull requests. Source: GitHub REST API 2022-11-28, "Pull request reviews"."""

from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter, model_validator

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, Number, OfIssue, Owner, Repo, Sha
from connectors.github.paging import next_page, paged
from connectors.github.pull import PULL
from connectors.github.tracing import SETTLE, find_marked
from connectors.sdk import Effect, Input, Irreversible, Output, Page, PageQuery, Reconcile, Upstream

REVIEWS = PULL + "/reviews"


class Review(Output):
    """A review. `state` is APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING."""

    id: int
    state: str
    body: str | None = None
    author: str | None = Field(default=None, validation_alias=AliasPath("user", "login"))
    commit_id: str | None = None
    url: str = Field(validation_alias="html_url")
    submitted_at: AwareDatetime | None = None


class ListReviews(PageQuery):
    """Whose reviews to read."""

    owner: Owner
    repo: Repo
    number: Number


class LineComment(Input):
    """A remark on one line of the diff."""

    path: str = Field(min_length=1)
    line: int = Field(ge=1, description="Line of the file after the change; it must be part of the diff.")
    body: str = Field(min_length=1, max_length=65_000)


class CreateReview(OfIssue):
    """The verdict to give."""

    event: Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"] = Field(description="The verdict.")
    body: str = Field(default="", max_length=65_000, description="Needed unless it is an approval.")
    commit_id: Sha | None = Field(default=None, description="The head that was looked at; the newest when left out.")
    comments: list[LineComment] = Field(
        default_factory=list[LineComment], max_length=50, description="Comments on lines of the diff."
    )

    @model_validator(mode="after")
    def _says_why(self) -> "CreateReview":
        if self.event != "APPROVE" and not self.body.strip():
            raise ValueError("`body` must say why, unless the review approves")
        return self


_LIST = TypeAdapter(list[Review])


@github.action(
    "review.list",
    scopes={"github:review:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:read"},
)
async def list_reviews(api: Upstream, query: ListReviews) -> Page[Review]:
    """List the reviews of a pull request, oldest first. One person's newest review is the one that counts."""
    response = await api.get(REVIEWS, query, params=paged(query))
    return Page[Review](items=api.read(_LIST, response), next_cursor=next_page(response))


async def find_created(api: Upstream, new: CreateReview) -> Review | None:
    """Return the review that carries this call's marker, or None."""
    found = await find_marked(api, REVIEWS, new)
    return None if found is None else api.read(Review, found)


@github.action(
    "review.create",
    scopes={"github:review:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:write"},
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=True),
    undo=Irreversible("A review that was submitted stays; an admin can dismiss its verdict."),
    examples=[{"owner": "acme", "repo": "web", "number": 2, "event": "COMMENT", "body": "Looks good so far."}],
)
async def create_review(api: Upstream, new: CreateReview) -> Review:
    """Review a pull request: approve it, request changes or comment, with remarks on single lines if need be.

    The author is notified. Nobody can approve or request changes on a pull request of their own. A remark that is no
    verdict belongs in `github.comment.create`.
    """
    body = new.model_dump(include={"event", "commit_id"}, exclude_none=True)
    sent: dict[str, object] = {"body": api.mark(new.body), **body}
    if new.comments:
        sent["comments"] = [{**remark.model_dump(), "side": "RIGHT"} for remark in new.comments]
    return api.read(Review, await api.post(REVIEWS, new, json=sent))
