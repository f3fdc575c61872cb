"""Runs of workflows. Source: GitHub REST API 2022-11-28, "Workflow runs"."""

from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, Branch, InRepository, Owner, Repo, Sha
from connectors.github.paging import next_page, paged
from connectors.sdk import Effect, Output, Page, PageQuery, Upstream

RUNS = "/repos/{owner}/{repo}/actions/runs"


class WorkflowRun(Output):
    """A run. `conclusion` is null until `status` is `completed`."""

    id: int
    workflow: str | None = Field(default=None, validation_alias="name")
    title: str = Field(validation_alias="display_title")
    number: int = Field(validation_alias="run_number")
    event: str
    status: str | None = None
    conclusion: str | None = None
    branch: str | None = Field(default=None, validation_alias="head_branch")
    sha: str = Field(validation_alias="head_sha")
    actor: str | None = Field(default=None, validation_alias=AliasPath("actor", "login"))
    url: str = Field(validation_alias="html_url")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ListRuns(PageQuery):
    """Which runs to read."""

    owner: Owner
    repo: Repo
    branch: Branch | None = Field(default=None, description="Only runs on this branch.")
    event: str | None = Field(default=None, max_length=64, description="What started them, such as `push`.")
    status: (
        Literal[
            "completed",
            "action_required",
            "cancelled",
            "failure",
            "neutral",
            "skipped",
            "stale",
            "success",
            "timed_out",
            "in_progress",
            "queued",
            "requested",
            "waiting",
            "pending",
        ]
        | None
    ) = Field(default=None, description="A status or a conclusion.")
    head_sha: Sha | None = Field(default=None, description="Only runs of this commit.")
    actor: str | None = Field(default=None, max_length=100, description="Who started them.")


class OneRun(InRepository):
    """One run."""

    run_id: int = Field(ge=1, description="The run's id.")


class _Runs(Output):
    workflow_runs: list[WorkflowRun]


@github.action(
    "workflow_run.list",
    scopes={"github:workflow_run:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"actions:read"},
)
async def list_runs(api: Upstream, query: ListRuns) -> Page[WorkflowRun]:
    """List runs of a repository's workflows, newest first.

    Results of other checks than Actions are in `github.check_run.list`. With filters GitHub gives at most 1,000.
    """
    params = paged(
        query,
        branch=query.branch,
        event=query.event,
        status=query.status,
        head_sha=query.head_sha,
        actor=query.actor,
    )
    response = await api.get(RUNS, query, params=params)
    return Page[WorkflowRun](items=api.read(_Runs, response).workflow_runs, next_cursor=next_page(response))


@github.action(
    "workflow_run.get",
    scopes={"github:workflow_run:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"actions:read"},
)
async def get_run(api: Upstream, what: OneRun) -> WorkflowRun:
    """Read one run: whether it is finished, and how it ended."""
    return api.read(WorkflowRun, await api.get(RUNS + "/{run_id}", what))
