"""JQL, as far as the simulator has it: clauses, AND, OR, NOT, parentheses, lists, functions, ORDER BY.

Source: Atlassian documentation, "Use advanced search with Jira Query Language (JQL)".
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from connectors.jira.simulator import adf
from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.world import PRIORITIES, Issue

Test = Callable[[Issue], bool]
_TOKEN = re.compile(r"""\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(!=|!~|<=|>=|[(),=~<>!])|([^\s"'(),=~<>!]+))""")
_RELATIVE = re.compile(r"^-([0-9]+)([mhdw])$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NOTHING = {"empty", "null"}


class Unreadable(ValueError):
    """The query does not follow the language."""


class Query:
    """Reads a query. `bounded` says that it restricts anything."""

    def __init__(self, text: str, ask: Ask) -> None:
        self._ask = ask
        self._tokens = _tokens(text)
        self._at = 0
        self.bounded = bool(self._tokens) and not self._is_order()
        self._test: Test = self._any() if self.bounded else (lambda _: True)
        self._order = self._ordering()
        if self._at < len(self._tokens):
            raise Unreadable(f"Expecting operator or end but got '{self._tokens[self._at]}'.")

    def run(self, issues: Sequence[Issue]) -> list[Issue]:
        """Return the issues that fit, in order; the newest first where it names none."""
        found = sorted((one for one in issues if self._test(one)), key=lambda one: int(one.id), reverse=True)
        for name, down in reversed(self._order):
            found.sort(key=lambda one: _sorting(name, one), reverse=down)
        return found

    def _any(self) -> Test:
        choices = [self._all()]
        while self._take("or"):
            choices.append(self._all())
        return choices[0] if len(choices) == 1 else lambda issue: any(choice(issue) for choice in choices)

    def _all(self) -> Test:
        wanted = [self._not()]
        while self._take("and"):
            wanted.append(self._not())
        return lambda issue: all(test(issue) for test in wanted)

    def _not(self) -> Test:
        if self._take("not") or self._take("!"):
            inner = self._not()
            return lambda issue: not inner(issue)
        if self._take("("):
            inner = self._any()
            self._expect(")")
            return inner
        return self._clause()

    def _clause(self) -> Test:
        field = _plain(self._next()).lower()
        operator = self._next().lower()
        if operator == "not":
            operator = f"not {self._next().lower()}"
        if operator == "is":
            operator = "is not" if self._take("not") else "is"
        values = self._list() if operator in {"in", "not in"} else [self._value()]
        return self._compare(field, operator, values)

    def _list(self) -> list[str]:
        self._expect("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> str:
        token = self._next()
        if token in {"(", ")", ",", "="}:
            raise Unreadable(f"Expecting a value but got '{token}'.")
        if self._take("("):
            self._expect(")")
            if token.lower() != "currentuser":
                raise Unreadable(f"Unable to find JQL function '{token}()'.")
            return self._ask.user.account_id
        return _plain(token)

    def _compare(self, field: str, operator: str, values: list[str]) -> Test:
        if field in {"created", "updated"}:
            return self._when(field, operator, values[0])
        if operator in {"~", "!~"}:
            words = values[0].lower().split()
            return lambda issue: all(word in _words(field, issue) for word in words) == (operator == "~")
        known = _KNOWN.get(field)
        if known is None:
            raise Unreadable(f"Field '{field}' does not exist or you do not have permission to view it.")
        if operator not in {"=", "!=", "in", "not in", "is", "is not"}:
            raise Unreadable(f"The operator '{operator}' is not supported by the '{field}' field.")
        wanted = {value.lower() for value in values}
        if field == "project":
            self._check_projects(wanted)

        def test(issue: Issue) -> bool:
            have = {name.lower() for name in known(issue, self._ask) if name}
            return bool(have & wanted) or (not have and bool(wanted & _NOTHING))

        return test if operator in {"=", "in", "is"} else lambda issue: not test(issue)

    def _check_projects(self, wanted: set[str]) -> None:
        names = {name.lower() for one in self._ask.projects() for name in (one.key, one.id, one.name)}
        for value in sorted(wanted - names):
            raise Unreadable(f"The value '{value}' does not exist for the field 'project'.")

    def _when(self, field: str, operator: str, value: str) -> Test:
        at = _moment(value, self._ask.now)
        tests: dict[str, Callable[[float], bool]] = {
            ">=": lambda have: have >= at,
            ">": lambda have: have > at,
            "<=": lambda have: have <= at,
            "<": lambda have: have < at,
        }
        if operator not in tests:
            raise Unreadable(f"The operator '{operator}' is not supported by the '{field}' field.")
        return lambda issue: tests[operator](getattr(issue, field))

    def _ordering(self) -> list[tuple[str, bool]]:
        if not self._is_order():
            return []
        self._at += 2
        found: list[tuple[str, bool]] = []
        while True:
            name = _plain(self._next()).lower()
            if name not in {"created", "updated", "key", "priority", "summary", "status"}:
                raise Unreadable(f"Not able to sort using field '{name}'.")
            down = self._take("desc")
            if not down:
                self._take("asc")
            found.append((name, down))
            if not self._take(","):
                return found

    def _is_order(self) -> bool:
        return [token.lower() for token in self._tokens[self._at : self._at + 2]] == ["order", "by"]

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].lower() == token:
            self._at += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise Unreadable(f"Expecting '{token}'.")

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise Unreadable("The query ends too early.")
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"The character at {at + 1} is not expected.")
        found.append(match.group().strip())
        at = match.end()
    return found


def _plain(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token[0] in {'"', "'"} else token


def _moment(value: str, now: float) -> float:
    relative = _RELATIVE.match(value)
    if relative:
        return now - timedelta(**{_UNITS[relative.group(2)]: int(relative.group(1))}).total_seconds()
    try:
        return datetime.fromisoformat(value.replace("/", "-")).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise Unreadable(f"Date value '{value}' is invalid.") from error


def _words(field: str, issue: Issue) -> str:
    description = adf.plain(issue.description) or ""
    texts = {
        "summary": issue.summary,
        "description": description,
        "text": f"{issue.summary}\n{description}",
        "comment": "\n".join(adf.plain(one.body) or "" for one in issue.comments),
    }
    if field not in texts:
        raise Unreadable(f"The operator '~' is not supported by the '{field}' field.")
    return texts[field].lower()


def _sorting(name: str, issue: Issue) -> tuple[object, ...]:
    if name == "key":
        return issue.project.key, int(issue.key.rpartition("-")[2])
    if name == "priority":
        return (-list(PRIORITIES.values()).index(issue.priority),)
    if name == "status":
        return (issue.status.id,)
    return (getattr(issue, name), int(issue.id))


_Have = Callable[[Issue, Ask], list[str]]


def _key(issue: Issue, ask: Ask) -> list[str]:
    return [key for key, id in ask.world.keys.items() if id == issue.id] + [issue.id]


def _parent(issue: Issue, ask: Ask) -> list[str]:
    parent = ask.world.issues.get(issue.parent or "")
    return [parent.key, parent.id] if parent else []


_KNOWN: dict[str, _Have] = {
    "project": lambda issue, _: [issue.project.key, issue.project.id, issue.project.name],
    "key": _key,
    "issuekey": _key,
    "issue": _key,
    "id": _key,
    "parent": _parent,
    "status": lambda issue, _: [issue.status.name, issue.status.id],
    "statuscategory": lambda issue, _: [issue.status.category],
    "type": lambda issue, _: [issue.type.name, issue.type.id],
    "issuetype": lambda issue, _: [issue.type.name, issue.type.id],
    "priority": lambda issue, _: [issue.priority],
    "resolution": lambda issue, _: [issue.resolution or ""],
    "labels": lambda issue, _: issue.labels,
    "component": lambda issue, _: issue.components,
    "fixversion": lambda issue, _: issue.versions,
    "assignee": lambda issue, _: [issue.assignee.account_id] if issue.assignee else [],
    "reporter": lambda issue, _: [issue.reporter.account_id],
    "creator": lambda issue, _: [issue.creator.account_id],
    "watcher": lambda issue, _: [one.account_id for one in issue.watchers],
}
