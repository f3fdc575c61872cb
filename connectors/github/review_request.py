"""Asking for reviews of pull requests. Source: GitHub REST API 2022-11-28, "Review requests"."""

from pydantic import Field, model_validator

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, Login, Logins, OfIssue, holds_names
from connectors.github.pull import PULL, Pull, PullDetails
from connectors.github.tracing import SETTLE
from connectors.sdk import Effect, Irreversible, Output, Reconcile, Upstream


class RequestReview(OfIssue):
    """Whom to ask."""

    reviewers: list[Login] = Field(default_factory=list[str], max_length=15, description="Logins.")
    team_reviewers: list[str] = Field(default_factory=list[str], max_length=15, description="Slugs of teams.")

    @model_validator(mode="after")
    def _asks_somebody(self) -> "RequestReview":
        if not (self.reviewers or self.team_reviewers):
            raise ValueError("name at least one reviewer")
        return self


class _Requested(Output):
    requested_reviewers: Logins = Field(default_factory=list[str])
    requested_teams: list[dict[str, object]] = Field(default_factory=list[dict[str, object]])


async def find_requested(api: Upstream, what: RequestReview) -> PullDetails | None:
    """Return the pull request if all who were to be asked are, else None."""
    response = await api.get(PULL, what)
    asked = api.read(_Requested, response)
    teams = [str(team.get("slug")) for team in asked.requested_teams]
    everybody = holds_names(asked.requested_reviewers, what.reviewers) and holds_names(teams, what.team_reviewers)
    return api.read(PullDetails, response) if everybody else None


@github.action(
    "pull.request_review",
    scopes={"github:pull:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"pull_requests:write"},
    idempotency=Reconcile(find_requested, settle=SETTLE, consistent=True),
    undo=Irreversible("The people were notified."),
    examples=[{"owner": "acme", "repo": "web", "number": 2, "reviewers": ["octavia"]}],
)
async def request_review(api: Upstream, what: RequestReview) -> Pull:
    """Ask people or teams to review a pull request; those who are asked already stay.

    They are notified. Only people with access to the repository can be asked, and not the author. Verdicts come back
    in `github.review.list`; to give one yourself use `github.review.create`.
    """
    body = what.model_dump(include={"reviewers", "team_reviewers"})
    sent = {name: names for name, names in body.items() if names}
    return api.read(Pull, await api.post(PULL + "/requested_reviewers", what, json=sent))
