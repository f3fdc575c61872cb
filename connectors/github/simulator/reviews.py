"""Reviews of pull requests. Shape: `pull-request-review`."""

from connectors.github.simulator import pulls
from connectors.github.simulator.ask import Ask, Site, text_of
from connectors.github.simulator.refusals import not_found, refusal
from connectors.github.simulator.render import Json, node, repo_page, repo_url, stamp, user
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Issue, Repository, Review
from connectors.sdk.simulator import Answer

_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED", None: "PENDING"}


def shown(review: Review, issue: Issue, repository: Repository, site: Site) -> Json:
    """Return a `pull-request-review`."""
    url = f"{repo_url(repository, site)}/pulls/{issue.number}"
    page = f"{repo_page(repository, site)}/pull/{issue.number}#pullrequestreview-{review.id}"
    submitted = {} if review.submitted_at is None else {"submitted_at": stamp(review.submitted_at)}
    return {
        "id": review.id,
        "node_id": node("PullRequestReview", review.id),
        "user": user(review.user, site),
        "body": review.body,
        "state": review.state,
        "html_url": page,
        "pull_request_url": url,
        "author_association": "MEMBER",
        "_links": {"html": {"href": page}, "pull_request": {"href": url}},
        "commit_id": review.commit_id,
        **submitted,
    }


def list_reviews(ask: Ask) -> Answer:
    """GET .../pulls/{pull_number}/reviews, oldest first."""
    repository = ask.repository()
    issue, pull = pulls.find(ask, repository)
    return ask.page(pull.reviews, lambda review: shown(review, issue, repository, ask.site))


def get_review(ask: Ask) -> Answer:
    """GET .../pulls/{pull_number}/reviews/{review_id}."""
    repository = ask.repository()
    issue, pull = pulls.find(ask, repository)
    found = next((review for review in pull.reviews if review.id == ask.number("review_id")), None)
    if found is None:
        raise not_found()
    return Answer.of(shown(found, issue, repository, ask.site))


def create_review(ask: Ask) -> Answer:
    """POST .../pulls/{pull_number}/reviews."""
    repository, fields = ask.repository(), ask.fields()
    issue, pull = pulls.find(ask, repository)
    event = text_of(fields, "event", "PullRequestReview")
    body = text_of(fields, "body", "PullRequestReview") or ""
    if event not in _STATES:
        raise refusal(422, "Variable $event of type PullRequestReviewEvent was provided invalid value")
    if event in {"REQUEST_CHANGES", "COMMENT"} and not body.strip():
        raise refusal(422, "Unprocessable Entity", errors=["Body can't be blank"])
    if event in {"APPROVE", "REQUEST_CHANGES"} and ask.user == issue.user:
        word = "approve" if event == "APPROVE" else "request changes on"
        raise refusal(422, "Unprocessable Entity", errors=[f"Can not {word} your own pull request"])
    commit = text_of(fields, "commit_id", "PullRequestReview") or pull.head_sha
    review = Review(ask.world.next_id(), ask.user, body, _STATES[event], commit, ask.now if event else None)
    pull.reviews.append(review)
    pull.reviewers = [owner for owner in pull.reviewers if owner != ask.user]
    issue.updated_at = ask.now
    return ask.applied(shown(review, issue, repository, ask.site))


_REPO = "/repos/{owner}/{repo}/pulls/{pull_number}/reviews"
ROUTES = (
    Route("GET", _REPO, list_reviews, "pull_requests:read"),
    Route("POST", _REPO, create_review, "pull_requests:write"),
    Route("GET", f"{_REPO}/{{review_id}}", get_review, "pull_requests:read"),
)
