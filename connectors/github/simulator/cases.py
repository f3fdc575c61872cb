"""A repository with something of everything, and one valid input for every action of the GitHub connector.

`arrange(simulator)` fills the simulated repository `acme/web` without leaving a trace in its record of effects, and
returns the inputs by action name. The contract suite runs every action with them.
"""

from typing import Any

from connectors.github.simulator.server import GitHubSimulator
from connectors.github.simulator.world import Comment, Issue, Owner, Pull, Release, Repository, World

WEB: dict[str, Any] = {"owner": "acme", "repo": "web"}


def arrange(simulator: GitHubSimulator) -> dict[str, dict[str, Any]]:
    """Fill the world and return one valid input for every action."""
    world = simulator.world
    web = world.repositories["acme/web"]
    bot, octavia, hubert = (world.owners[login] for login in ("acme-bot", "octavia", "hubert"))
    now = simulator.clock()
    main = web.branches["main"]
    issue = web.issues[1]
    issue.labels.append(web.labels["bug"])
    issue.assignees.append(hubert)
    comment = Comment(world.next_id(), 1, bot, "A first comment.", now, now)
    web.comments[comment.id] = comment
    issue.comments.append(comment)
    _branch(web, "feature", "feature.txt", bot, now)
    _branch(web, "next", "next.txt", bot, now)
    web.branches["old/stuff"] = main
    pull = _pull(world, web, octavia, now)
    locked = Issue(world.next_id(), next(web.numbers), octavia, "Heated", None, now, now, locked=True)
    web.issues[locked.number] = locked
    release = Release(world.next_id(), "v1.0.0", "main", "One", "First.", False, False, bot, now, now)
    web.releases[release.id] = release
    thread = next(thread for thread in world.threads.values() if thread.user == "acme-bot")
    run = next(iter(web.runs))
    readme = web.commits[main].tree["README.md"]
    head = web.branches["feature"]
    return {
        "github.branch.create": {**WEB, "branch": "fix/login", "sha": main},
        "github.branch.delete": {**WEB, "branch": "old/stuff"},
        "github.branch.get": {**WEB, "branch": "old/stuff"},
        "github.branch.list": {**WEB, "protected": False},
        "github.check_run.list": {**WEB, "ref": "main", "status": "completed", "name": "build"},
        "github.comment.create": {**WEB, "number": 1, "body": "Seen."},
        "github.comment.delete": {**WEB, "comment_id": comment.id},
        "github.comment.list": {**WEB, "number": 1, "updated_since": "2020-01-01T00:00:00Z"},
        "github.comment.update": {**WEB, "comment_id": comment.id, "body": "Seen and done."},
        "github.content.delete": {**WEB, "path": "README.md", "message": "Remove", "sha": readme, "branch": "next"},
        "github.content.download": {**WEB, "path": "README.md"},
        "github.content.get": {**WEB, "path": "README.md", "ref": "main"},
        "github.content.list": {**WEB, "path": ".github", "ref": "main"},
        "github.content.update": {**WEB, "path": "docs/a b.md", "message": "Add", "text": "Hi", "branch": "next"},
        "github.issue.add_label": {**WEB, "number": 1, "labels": ["documentation"]},
        "github.issue.assign": {**WEB, "number": 1, "assignees": ["octavia"]},
        "github.issue.create": {
            **WEB,
            "title": "It is broken",
            "body": "See the log.",
            "labels": ["bug"],
            "assignees": ["octavia"],
        },
        "github.issue.get": {**WEB, "number": 1},
        "github.issue.list": {
            **WEB,
            "state": "all",
            "labels": ["bug"],
            "assignee": "hubert",
            "creator": "octavia",
            "milestone": "none",
            "updated_since": "2020-01-01T00:00:00Z",
            "sort": "updated",
        },
        "github.issue.lock": {**WEB, "number": 1, "reason": "resolved"},
        "github.issue.remove_label": {**WEB, "number": 1, "label": "bug"},
        "github.issue.search": {"q": "welcome label:bug OR author:hubert", "sort": "created"},
        "github.issue.unassign": {**WEB, "number": 1, "assignees": ["hubert"]},
        "github.issue.unlock": {**WEB, "number": locked.number},
        "github.issue.update": {
            **WEB,
            "number": 1,
            "title": "Welcome all",
            "state": "closed",
            "state_reason": "not_planned",
            "labels": ["documentation"],
            "assignees": [],
        },
        "github.label.create": {**WEB, "name": "triage", "color": "c5def5", "description": "To be looked at"},
        "github.label.delete": {**WEB, "name": "bug"},
        "github.label.list": dict(WEB),
        "github.member.list": {"org": "acme", "role": "member"},
        "github.notification.get": {"thread": str(thread.id)},
        "github.notification.list": {"all": True, "updated_since": "2020-01-01T00:00:00Z"},
        "github.notification.mark_read": {"thread": str(thread.id)},
        "github.pull.create": {**WEB, "title": "Add next", "head": "next", "base": "main", "body": "For review."},
        "github.pull.get": {**WEB, "number": pull.number},
        "github.pull.list": {**WEB, "head": "feature", "base": "main", "state": "all"},
        "github.pull.list_files": {**WEB, "number": pull.number},
        "github.pull.merge": {**WEB, "number": pull.number, "sha": head, "method": "squash", "commit_title": "Merge"},
        "github.pull.request_review": {**WEB, "number": pull.number, "reviewers": ["hubert"]},
        "github.pull.update": {**WEB, "number": pull.number, "title": "Add the feature", "body": "More."},
        "github.release.create": {**WEB, "tag_name": "v1.1.0", "name": "1.1", "body": "Fixes.", "target": "main"},
        "github.release.delete": {**WEB, "release_id": release.id},
        "github.release.get": {**WEB, "release_id": release.id},
        "github.release.list": dict(WEB),
        "github.repository.get": dict(WEB),
        "github.repository.list": {"owner": "acme"},
        "github.repository.search": {"q": "web user:acme", "sort": "updated"},
        "github.review.create": {
            **WEB,
            "number": pull.number,
            "event": "REQUEST_CHANGES",
            "body": "Please rename it.",
            "commit_id": head,
            "comments": [{"path": "feature.txt", "line": 1, "body": "This one."}],
        },
        "github.review.list": {**WEB, "number": pull.number},
        "github.workflow.dispatch": {**WEB, "workflow": "ci.yml", "ref": "main", "inputs": {"target": "staging"}},
        "github.workflow.list": dict(WEB),
        "github.workflow_run.get": {**WEB, "run_id": run},
        "github.workflow_run.list": {
            **WEB,
            "branch": "main",
            "event": "push",
            "status": "success",
            "actor": "acme-bot",
        },
    }


def _branch(web: Repository, name: str, path: str, author: Owner, now: float) -> None:
    web.branches[name] = web.branches["main"]
    tree = web.commits[web.branches["main"]].tree
    web.commit(name, f"Add {path}", {**tree, path: web.keep_blob(f"{name}\n".encode())}, author, now)


def _pull(world: World, web: Repository, author: Owner, now: float) -> Issue:
    pull = Pull(world.next_id(), "feature", web.branches["feature"], "main", web.branches["main"])
    issue = Issue(world.next_id(), next(web.numbers), author, "Feature", "Adds it.", now, now, pull=pull)
    web.issues[issue.number] = issue
    web.open_issues += 2
    return issue


def aliases(simulator: GitHubSimulator) -> dict[str, list[dict[str, Any]]]:
    """Return other spellings that GitHub takes for the same repository: it ignores case."""
    inputs = arrange(simulator)
    return {
        name: [{"owner": value["owner"].upper(), "repo": value["repo"].title()}]
        for name, value in inputs.items()
        if {"owner", "repo"} <= value.keys()
    }
