"""Workflows of GitHub Actions. Source: GitHub REST API 2022-11-28, "Workflows"."""

from pydantic import AwareDatetime, Field

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, InRepository, Owner, Repo
from connectors.github.paging import next_page, paged
from connectors.sdk import Effect, Irreversible, Output, Page, PageQuery, Unknowable, Upstream


class Workflow(Output):
    """A workflow file that Actions runs."""

    id: int
    name: str
    path: str
    state: str
    url: str = Field(validation_alias="html_url")
    updated_at: AwareDatetime | None = None


class ListWorkflows(PageQuery):
    """Whose workflows to read."""

    owner: Owner
    repo: Repo


class Dispatch(InRepository):
    """The workflow to start."""

    workflow: str = Field(
        min_length=1,
        max_length=255,
        description="Name of its file (`ci.yml`) or its id, from `github.workflow.list`.",
    )
    ref: str = Field(min_length=1, max_length=255, description="Branch or tag that it runs on.")
    inputs: dict[str, str] = Field(
        default_factory=dict[str, str], max_length=25, description="Values for the inputs that the file declares."
    )


class Dispatched(Output):
    """A run that was started. Both are null on servers that do not tell; then see `github.workflow_run.list`."""

    run_id: int | None = Field(default=None, validation_alias="workflow_run_id")
    url: str | None = Field(default=None, validation_alias="html_url")


class _Workflows(Output):
    workflows: list[Workflow]


@github.action(
    "workflow.list",
    scopes={"github:workflow:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"actions:read"},
)
async def list_workflows(api: Upstream, query: ListWorkflows) -> Page[Workflow]:
    """List a repository's workflows. What they did is in `github.workflow_run.list`."""
    response = await api.get("/repos/{owner}/{repo}/actions/workflows", query, params=paged(query))
    return Page[Workflow](items=api.read(_Workflows, response).workflows, next_cursor=next_page(response))


@github.action(
    "workflow.dispatch",
    scopes={"github:workflow:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"actions:write"},
    idempotency=Unknowable("a run says nothing of the request that started it: another person's start looks the same"),
    undo=Irreversible("The code has run, or is running."),
    examples=[{"owner": "acme", "repo": "web", "workflow": "ci.yml", "ref": "main", "inputs": {"target": "staging"}}],
)
async def dispatch(api: Upstream, what: Dispatch) -> Dispatched:
    """Start a workflow that declares `workflow_dispatch`. This runs code, and may deploy.

    The run is queued, not finished: follow it with `github.workflow_run.get`. Where GitHub does not answer, whether
    it has started cannot be told, and the call ends as `outcome_unknown`: look at `github.workflow_run.list` before
    another try.
    """
    body = {"ref": what.ref, "inputs": what.inputs, "return_run_details": True}
    path = "/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches"
    response = await api.post(path, what, json=body)
    return api.read(Dispatched, response) if response.body else Dispatched()
