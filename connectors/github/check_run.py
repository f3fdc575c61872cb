"""Checks on commits. Source: GitHub REST API 2022-11-28, "Check runs"."""

from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, Owner, Repo
from connectors.github.paging import next_page, paged
from connectors.sdk import Effect, Output, Page, PageQuery, Upstream


class CheckRun(Output):
    """A check. `conclusion` is null until `status` is `completed`."""

    id: int
    name: str
    status: str
    conclusion: str | None = None
    title: str | None = Field(default=None, validation_alias=AliasPath("output", "title"))
    summary: str | None = Field(default=None, validation_alias=AliasPath("output", "summary"))
    url: str | None = Field(default=None, validation_alias="html_url")
    started_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None


class ListChecks(PageQuery):
    """Which checks to read."""

    owner: Owner
    repo: Repo
    ref: str = Field(min_length=1, max_length=255, description="Branch, tag or commit.")
    name: str | None = Field(default=None, max_length=255)
    status: Literal["queued", "in_progress", "completed"] | None = Field(
        default=None, description="Only runs in this state."
    )


class _Checks(Output):
    check_runs: list[CheckRun]


@github.action(
    "check_run.list",
    scopes={"github:check_run:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"checks:read"},
)
async def list_checks(api: Upstream, query: ListChecks) -> Page[CheckRun]:
    """List the checks on a commit or on the head of a branch: the newest run of each.

    Look here whether a pull request is green. Older systems report commit statuses, which are not among these.
    """
    params = paged(query, check_name=query.name, status=query.status)
    response = await api.get("/repos/{owner}/{repo}/commits/{ref}/check-runs", query, params=params)
    return Page[CheckRun](items=api.read(_Checks, response).check_runs, next_cursor=next_page(response))
