"""The first state: the organizations `acme` and `globex`, their people and three repositories."""

from connectors.github.simulator.world import CheckRun, Issue, Label, Repository, Workflow, WorkflowRun, World

LABELS = (
    ("bug", "d73a4a", "Something isn't working"),
    ("enhancement", "a2eeef", "New feature or request"),
    ("documentation", "0075ca", "Improvements or additions to documentation"),
)
WORKFLOW = b"name: CI\non:\n  push:\n  workflow_dispatch:\n    inputs:\n      target:\n        type: string\njobs: {}\n"


def seeded(now: float) -> World:
    """Return a fresh world. Nothing in it counts as an effect."""
    world = World()
    acme = world.add_owner("acme", "Organization", "Acme Corporation")
    globex = world.add_owner("globex", "Organization", "Globex")
    for login, name in (("acme-bot", "Acme Bot"), ("octavia", "Octavia"), ("hubert", "Hubert")):
        world.add_owner(login, "User", name)
    world.members["acme"] = {"acme-bot": "admin", "octavia": "member", "hubert": "member"}
    world.members["globex"] = {"acme-bot": "member"}
    for owner, name in ((acme, "web"), (acme, "api"), (globex, "site")):
        repository = world.add_repository(owner, name, now)
        repository.description = f"The {name} of {owner.name}"
        _fill(world, repository, now)
    return world


def _fill(world: World, repository: Repository, now: float) -> None:
    bot = world.owners["acme-bot"]
    readme = repository.keep_blob(f"# {repository.name}\n\n{repository.description}.\n".encode())
    path = ".github/workflows/ci.yml"
    tree = {"README.md": readme, path: repository.keep_blob(WORKFLOW)}
    first = repository.commit("main", "Initial commit", tree, bot, now)
    for name, color, description in LABELS:
        repository.labels[name] = Label(world.next_id(), name, color, description, default=True)
    workflow = Workflow(world.next_id(), "CI", path, now, ("target",))
    repository.workflows[workflow.id] = workflow
    run = WorkflowRun(world.next_id(), 1, workflow, "main", first.sha, "push", bot, now, "completed", "success")
    repository.runs[run.id] = run
    repository.checks.append(CheckRun(world.next_id(), "build", first.sha, "completed", "success", now))
    if repository.name == "web":
        _first_issue(world, repository, now)


def _first_issue(world: World, repository: Repository, now: float) -> None:
    author = world.owners["octavia"]
    issue = Issue(world.next_id(), next(repository.numbers), author, "Welcome", "The first issue.", now, now)
    repository.issues[issue.number] = issue
    repository.open_issues += 1
    world.notify("acme-bot", repository, issue, "subscribed", now)
