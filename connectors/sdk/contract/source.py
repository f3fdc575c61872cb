"""What the modules of a connector may not do, read from their source: send, wait, read files, hold credentials.

The pipeline refuses most of it when it happens; here it is found before, in code that no case reaches. Simulators are
not read: they are a vendor.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from connectors.sdk.hands import is_own_way

_METHODS = frozenset({"get", "post", "put", "patch", "delete", "request"})
_SIGNING = frozenset({"authorization", "proxy-authorization", "cookie"})
_SECRETS = frozenset({"token", "credential", "credentials", "secret", "headers"})
_BUILT = frozenset({"format", "join", "urljoin", "quote", "replace"})
_FOREIGN = frozenset({"gateway", "credentials"})
_TEMPLATE = "write the path as a template, `api.get('/notes/{note}', what)`: its values are encoded"
_FILE = "take files with `await api.load(file)` and keep them with `await api.save(content, media_type)`"
_WAIT = "leave waiting to the gateway: tell the vendor's limits in `throttled`, and how long it takes in `settle`"
_SIGN = "declare how a request is signed in the connector's `auth`, such as `StaticToken(header=...)`"
_ENVIRON = "what differs between accounts is the connection's `base_url` and its credential: read no environment"
_SEND = "await `api.get(...)` and its kin: the gateway signs, sends and records"


@dataclass(frozen=True, slots=True)
class SourceFault:
    """One place in a file. The message says what to write instead."""

    line: int
    message: str


def package_faults(package: str) -> dict[str, list[SourceFault]]:
    """Return the faults of a connector's modules, by file; files without any are left out."""
    folder = Path(str(import_module(package).__file__)).parent
    found: dict[str, list[SourceFault]] = {}
    for path in sorted(folder.rglob("*.py")):
        within = path.relative_to(folder)
        if within.parts[0] != "simulator" and (faults := source_faults(path.read_text())):
            found[f"{package.replace('.', '/')}/{within}"] = faults
    return found


def source_faults(source: str) -> list[SourceFault]:
    """Return what is wrong in one module, by line."""
    tree = ast.parse(source)
    found = [fault for node in ast.walk(tree) for fault in _node_faults(node)]
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            found += _path_faults(function)
    return sorted(set(found), key=lambda fault: (fault.line, fault.message))


def _node_faults(node: ast.AST) -> Iterator[SourceFault]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _import_faults(alias.name, node.lineno)
    elif isinstance(node, ast.ImportFrom):
        yield from _import_faults(node.module or "", node.lineno)
        for alias in node.names:
            yield from _name_faults(f"{node.module}.{alias.name}", node.lineno)
    elif isinstance(node, ast.Attribute):
        yield from _attribute_faults(node)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
        yield SourceFault(node.lineno, f"it opens a file: {_FILE}")
    elif isinstance(node, ast.Dict):
        for key in node.keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.lower() in _SIGNING:
                yield SourceFault(key.lineno, f"it sets the header {key.value}: {_SIGN}")


def _import_faults(module: str, line: int) -> Iterator[SourceFault]:
    if is_own_way(module):
        yield SourceFault(line, f"it imports {module}: {_SEND}")
    if module.partition(".")[0] in _FOREIGN:
        yield SourceFault(line, f"it imports {module}: a connector imports `connectors.sdk` and libraries")


def _name_faults(name: str, line: int) -> Iterator[SourceFault]:
    if is_own_way(name) and not is_own_way(name.rpartition(".")[0]):
        yield SourceFault(line, f"it imports {name}: {_SEND}")
    if name == "time.sleep":
        yield SourceFault(line, f"it waits: {_WAIT}")
    if name in {"os.environ", "os.getenv", "os.environb"}:
        yield SourceFault(line, f"it reads the environment: {_ENVIRON}")


def _attribute_faults(node: ast.Attribute) -> Iterator[SourceFault]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if (owner, node.attr) in {("time", "sleep"), ("asyncio", "sleep")}:
        yield SourceFault(node.lineno, f"it waits: {_WAIT}")
    elif owner == "os" and node.attr in {"environ", "getenv", "environb"}:
        yield SourceFault(node.lineno, f"it reads the environment: {_ENVIRON}")
    elif node.attr in {"read_text", "read_bytes", "write_text", "write_bytes"}:
        yield SourceFault(node.lineno, f"it reads or writes a file: {_FILE}")
    elif owner == "api" and (node.attr.startswith("_") or node.attr in _SECRETS):
        yield SourceFault(node.lineno, f"it asks for `api.{node.attr}`, and no handler sees a credential: {_SIGN}")


def _path_faults(function: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[SourceFault]:
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    assigned.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and isinstance(node.target, ast.Name) and node.value:
            assigned.setdefault(node.target.id, []).append(node.value)
    for node in ast.walk(function):
        path = _path_of(node)
        if path is not None and not _is_template(path, assigned, set()):
            yield SourceFault(path.lineno, f"it puts a path together by hand: {_TEMPLATE}")


def _path_of(node: ast.AST) -> ast.expr | None:
    """Return the path of a call such as `api.get(path, ...)`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS):
        return None
    if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "api"):
        return None
    place = 1 if node.func.attr == "request" else 0
    named = [keyword.value for keyword in node.keywords if keyword.arg == "path"]
    return (node.args[place] if len(node.args) > place else None) or next(iter(named), None)


def _is_template(path: ast.expr, assigned: dict[str, list[ast.expr]], seen: set[str]) -> bool:
    """Whether a path is made of constants alone: literals, names in capitals, and what was assigned from such."""
    if isinstance(path, ast.Constant):
        return True
    if isinstance(path, ast.Name):
        if path.id.lstrip("_").isupper() or path.id in seen:
            return True
        return all(_is_template(value, assigned, seen | {path.id}) for value in assigned.get(path.id, []))
    if isinstance(path, ast.IfExp):
        return all(_is_template(part, assigned, seen) for part in (path.body, path.orelse))
    if isinstance(path, ast.BinOp):
        added = isinstance(path.op, ast.Add)
        return added and all(_is_template(part, assigned, seen) for part in (path.left, path.right))
    if isinstance(path, ast.JoinedStr):
        parts = [part.value for part in path.values if isinstance(part, ast.FormattedValue)]
        return all(isinstance(part, ast.Name) and part.id.lstrip("_").isupper() for part in parts)
    if isinstance(path, ast.Call):
        called = path.func.attr if isinstance(path.func, ast.Attribute) else getattr(path.func, "id", "")
        return called not in _BUILT
    return isinstance(path, ast.Attribute) and path.attr.lstrip("_").isupper()
