"""Workflows, their runs, and check runs. Shapes: `workflow`, `workflow-run`, `check-run`."""

from collections.abc import Callable
from typing import TypeVar

from connectors.github.simulator.ask import Ask, Site, needed
from connectors.github.simulator.refusals import not_found, unprocessable
from connectors.github.simulator.render import Json, minimal_repository, node, repo_page, repo_url, stamp, user
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import CheckRun, Repository, Workflow, WorkflowRun
from connectors.sdk.simulator import Answer

ItemT = TypeVar("ItemT")


def shown_workflow(workflow: Workflow, repository: Repository, site: Site) -> Json:
    """Return a `workflow`."""
    page, at = repo_page(repository, site), stamp(workflow.created_at)
    return {
        "id": workflow.id,
        "node_id": node("Workflow", workflow.id),
        "name": workflow.name,
        "path": workflow.path,
        "state": "active",
        "created_at": at,
        "updated_at": at,
        "url": f"{repo_url(repository, site)}/actions/workflows/{workflow.id}",
        "html_url": f"{page}/blob/{repository.default_branch}/{workflow.path}",
        "badge_url": f"{page}/workflows/{workflow.name}/badge.svg",
    }


def shown_run(run: WorkflowRun, repository: Repository, site: Site) -> Json:
    """Return a `workflow-run`."""
    api, at = repo_url(repository, site), stamp(run.created_at)
    url = f"{api}/actions/runs/{run.id}"
    about = minimal_repository(repository, site)
    by = {"name": run.actor.login, "email": f"{run.actor.login}@users.example.com"}
    below = ("jobs", "logs", "cancel", "rerun", "artifacts")
    return {
        "id": run.id,
        "node_id": node("WorkflowRun", run.id),
        "name": run.workflow.name,
        "display_title": run.workflow.name,
        "path": run.workflow.path,
        "workflow_id": run.workflow.id,
        "run_number": run.number,
        "run_attempt": 1,
        "head_branch": run.branch,
        "head_sha": run.sha,
        "event": run.event,
        "status": run.status,
        "conclusion": run.conclusion,
        "actor": user(run.actor, site),
        "triggering_actor": user(run.actor, site),
        "created_at": at,
        "updated_at": at,
        "run_started_at": at,
        "url": url,
        "html_url": f"{repo_page(repository, site)}/actions/runs/{run.id}",
        **{f"{name}_url": f"{url}/{name}" for name in below},
        "check_suite_url": f"{api}/check-suites/{run.id}",
        "workflow_url": f"{api}/actions/workflows/{run.workflow.id}",
        "pull_requests": [],
        "repository": about,
        "head_repository": about,
        "head_commit": {
            "id": run.sha,
            "tree_id": run.sha,
            "message": repository.commits[run.sha].message,
            "timestamp": at,
            "author": by,
            "committer": by,
        },
    }


def list_workflows(ask: Ask) -> Answer:
    """GET .../actions/workflows."""
    repository = ask.repository()
    found = list(repository.workflows.values())
    return _counted(ask, "workflows", found, lambda item: shown_workflow(item, repository, ask.site))


def get_workflow(ask: Ask) -> Answer:
    """GET .../actions/workflows/{workflow_id}."""
    repository = ask.repository()
    return Answer.of(shown_workflow(_workflow(ask, repository), repository, ask.site))


def dispatch(ask: Ask) -> Answer:
    """POST .../actions/workflows/{workflow_id}/dispatches: 204, or 200 with the run when it is asked for."""
    repository, fields = ask.repository(), ask.fields()
    workflow, ref = _workflow(ask, repository), needed(fields, "ref", "Workflow")
    sha = repository.resolve(ref)
    if sha is None:
        raise unprocessable(f"No ref found for: {ref}")
    inputs = fields.get("inputs") or {}
    unknown = [name for name in inputs if name not in workflow.inputs]
    if len(inputs) > 25 or unknown:
        raise unprocessable(f"Unexpected inputs provided: {unknown}")
    number = 1 + sum(run.workflow is workflow for run in repository.runs.values())
    branch = ref.removeprefix("refs/heads/")
    run = WorkflowRun(
        ask.world.next_id(), number, workflow, branch, sha, "workflow_dispatch", ask.user, ask.now, inputs=inputs
    )
    repository.runs[run.id] = run
    if fields.get("return_run_details") is not True:
        return ask.done()
    url = f"{repo_url(repository, ask.site)}/actions/runs/{run.id}"
    page = f"{repo_page(repository, ask.site)}/actions/runs/{run.id}"
    return ask.applied({"workflow_run_id": run.id, "run_url": url, "html_url": page})


def list_runs(ask: Ask) -> Answer:
    """GET .../actions/runs, newest first."""
    return _runs(ask, None)


def list_workflow_runs(ask: Ask) -> Answer:
    """GET .../actions/workflows/{workflow_id}/runs."""
    return _runs(ask, _workflow(ask, ask.repository()))


def _runs(ask: Ask, workflow: Workflow | None) -> Answer:
    repository, query = ask.repository(), ask.query
    found = [
        run
        for run in reversed(repository.runs.values())
        if (workflow is None or run.workflow is workflow)
        and query.get("branch") in {None, "", run.branch}
        and query.get("event") in {None, "", run.event}
        and query.get("status") in {None, "", run.status, run.conclusion}
        and query.get("head_sha") in {None, "", run.sha}
        and query.get("actor", "").lower() in {"", run.actor.login.lower()}
    ]
    return _counted(ask, "workflow_runs", found, lambda item: shown_run(item, repository, ask.site))


def get_run(ask: Ask) -> Answer:
    """GET .../actions/runs/{run_id}."""
    repository = ask.repository()
    run = repository.runs.get(ask.number("run_id"))
    if run is None:
        raise not_found()
    return Answer.of(shown_run(run, repository, ask.site))


def list_checks(ask: Ask) -> Answer:
    """GET .../commits/{ref}/check-runs."""
    repository, query = ask.repository(), ask.query
    sha = repository.resolve(ask.value("ref"))
    if sha is None:
        raise unprocessable(f"No commit found for SHA: {ask.value('ref')}")
    found = [
        check
        for check in repository.checks
        if check.sha == sha
        and query.get("check_name") in {None, "", check.name}
        and query.get("status") in {None, "", check.status}
    ]
    return _counted(ask, "check_runs", found, lambda item: _shown_check(item, repository, ask.site))


def _shown_check(check: CheckRun, repository: Repository, site: Site) -> Json:
    url = f"{repo_url(repository, site)}/check-runs/{check.id}"
    at = stamp(check.started_at)
    output = dict.fromkeys(("title", "summary", "text")) | {"annotations_count": 0}
    return {
        "id": check.id,
        "node_id": node("CheckRun", check.id),
        "name": check.name,
        "head_sha": check.sha,
        "external_id": "",
        "url": url,
        "html_url": f"{repo_page(repository, site)}/runs/{check.id}",
        "details_url": None,
        "status": check.status,
        "conclusion": check.conclusion,
        "started_at": at,
        "completed_at": at if check.status == "completed" else None,
        "output": {**output, "annotations_url": f"{url}/annotations"},
        "check_suite": {"id": check.id},
        "app": None,
        "pull_requests": [],
    }


def _workflow(ask: Ask, repository: Repository) -> Workflow:
    wanted = ask.value("workflow_id")
    for workflow in repository.workflows.values():
        if wanted in {str(workflow.id), workflow.path.rsplit("/", 1)[-1]}:
            return workflow
    raise not_found()


def _counted(ask: Ask, name: str, found: list[ItemT], render: Callable[[ItemT], Json]) -> Answer:
    cut, links = ask.cut(found)
    return Answer.of({"total_count": len(found), name: [render(item) for item in cut]}, headers=links)


_REPO = "/repos/{owner}/{repo}"
ROUTES = (
    Route("GET", f"{_REPO}/actions/workflows", list_workflows, "actions:read"),
    Route("GET", f"{_REPO}/actions/workflows/{{workflow_id}}", get_workflow, "actions:read"),
    Route("POST", f"{_REPO}/actions/workflows/{{workflow_id}}/dispatches", dispatch, "actions:write"),
    Route("GET", f"{_REPO}/actions/workflows/{{workflow_id}}/runs", list_workflow_runs, "actions:read"),
    Route("GET", f"{_REPO}/actions/runs", list_runs, "actions:read"),
    Route("GET", f"{_REPO}/actions/runs/{{run_id}}", get_run, "actions:read"),
    Route("GET", f"{_REPO}/commits/{{ref+}}/check-runs", list_checks, "checks:read"),
)
