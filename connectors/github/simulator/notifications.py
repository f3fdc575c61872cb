"""Notifications of the user behind a token. Shape: `thread`. Apps have none."""

from connectors.github.simulator import issues
from connectors.github.simulator.ask import Ask
from connectors.github.simulator.refusals import forbidden, not_found
from connectors.github.simulator.render import Json, minimal_repository, stamp, when
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Thread
from connectors.sdk.simulator import Answer


def shown(thread: Thread, ask: Ask) -> Json:
    """Return a `thread`."""
    repository = ask.world.by_id[thread.repository]
    issue = repository.issues[thread.issue]
    about = issues.shown(issue, repository, ask.site)
    url = f"{ask.site.api}/notifications/threads/{thread.id}"
    return {
        "id": str(thread.id),
        "unread": thread.unread,
        "reason": thread.reason,
        "updated_at": stamp(thread.updated_at),
        "last_read_at": when(thread.last_read_at),
        "subject": {
            "title": issue.title,
            "url": about["url"],
            "latest_comment_url": about["url"],
            "type": "PullRequest" if issue.pull else "Issue",
        },
        "repository": minimal_repository(repository, ask.site),
        "url": url,
        "subscription_url": f"{url}/subscription",
    }


def list_threads(ask: Ask) -> Answer:
    """GET /notifications: unread ones, or `all`."""
    every = ask.query.get("all") == "true"
    found = [thread for thread in _own(ask) if every or thread.unread]
    return ask.page(found[::-1], lambda thread: shown(thread, ask))


def get_thread(ask: Ask) -> Answer:
    """GET /notifications/threads/{thread_id}."""
    return Answer.of(shown(_find(ask), ask))


def mark_read(ask: Ask) -> Answer:
    """PATCH /notifications/threads/{thread_id}."""
    thread = _find(ask)
    if not thread.unread:
        return Answer(304)
    thread.unread, thread.last_read_at = False, ask.now
    return ask.done(205)


def _own(ask: Ask) -> list[Thread]:
    if ask.caller.kind != "user" or ask.caller.permissions is not None:
        raise forbidden("Resource not accessible by integration")
    ask.caller.check("notifications:read")
    return [thread for thread in ask.world.threads.values() if thread.user == ask.caller.login]


def _find(ask: Ask) -> Thread:
    wanted = ask.number("thread_id")
    found = next((thread for thread in _own(ask) if thread.id == wanted), None)
    if found is None:
        raise not_found()
    return found


ROUTES = (
    Route("GET", "/notifications", list_threads),
    Route("GET", "/notifications/threads/{thread_id}", get_thread),
    Route("PATCH", "/notifications/threads/{thread_id}", mark_read),
)
