"""KV version 2. Source: Vault HTTP API, "KV secrets engine - version 2"; OpenBao's `builtin/logical/kv`."""

from dataclasses import dataclass, field
from typing import Any

from bench.vault_standin.clock import Clock
from bench.vault_standin.refusal import Refusal, invalid, missing


@dataclass(slots=True)
class _Version:
    data: dict[str, Any] | None
    created: str
    deleted: str = ""
    destroyed: bool = False

    def shown(self, number: int) -> dict[str, Any]:
        return {
            "version": number,
            "created_time": self.created,
            "deletion_time": self.deleted,
            "destroyed": self.destroyed,
            "custom_metadata": None,
        }


@dataclass(slots=True)
class _Key:
    created: str
    current: int = 0
    max_versions: int = 0
    versions: dict[int, _Version] = field(default_factory=dict[int, _Version])


class KeyValue:
    """One mount."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, _Key] = {}
        self.max_versions = 0
        self.cas_required = False

    def exists(self, path: str) -> bool:
        """Whether writing to a path is an update: then there is metadata."""
        kind, _, key = path.partition("/")
        return kind == "data" and key in self._keys

    def handle(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Serve a request below the mount."""
        kind, _, key = path.partition("/")
        if kind == "config":
            return self._config(method, body)
        if kind == "metadata" and method == "LIST":
            return self._list(key)
        match kind, method:
            case "data", "GET":
                return self._read(key, int(body.get("version") or 0))
            case "data", "POST":
                return self._write(key, body)
            case "data", "DELETE":
                return self._mark(key, None, deleted=True)
            case "delete", "POST":
                return self._mark(key, body.get("versions"), deleted=True)
            case "destroy", "POST":
                return self._mark(key, body.get("versions"), deleted=False)
            case "metadata", "GET":
                return self._metadata(key)
            case "metadata", "POST":
                self._keys.setdefault(key, _Key(self._clock.text())).max_versions = int(body.get("max_versions") or 0)
                return None
            case "metadata", "DELETE":
                self._keys.pop(key, None)
                return None
            case _:
                raise Refusal(405, "unsupported operation")

    def _config(self, method: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if method == "POST":
            self.max_versions = int(body.get("max_versions", self.max_versions))
            self.cas_required = bool(body.get("cas_required", self.cas_required))
            return None
        return {"max_versions": self.max_versions, "cas_required": self.cas_required, "delete_version_after": "0s"}

    def _read(self, key: str, number: int) -> dict[str, Any]:
        found = self._keys.get(key)
        number = number or (found.current if found is not None else 0)
        version = found.versions.get(number) if found is not None else None
        if version is None:
            raise missing()
        shown = {"data": version.data, "metadata": version.shown(number)}
        if version.deleted or version.destroyed:
            raise Refusal(404, data={**shown, "data": None})
        return shown

    def _write(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(body.get("data"), dict):
            raise invalid("no data provided")
        found = self._keys.get(key) or _Key(self._clock.text())
        options = body.get("options") or {}
        if "cas" in options:
            if int(options["cas"]) != found.current:
                raise invalid("check-and-set parameter did not match the current version")
        elif self.cas_required:
            raise invalid("check-and-set parameter required for this call")
        self._keys[key] = found
        found.current += 1
        found.versions[found.current] = _Version(body["data"], self._clock.text())
        kept = found.max_versions or self.max_versions or 10
        for old in [number for number in found.versions if number <= found.current - kept]:
            del found.versions[old]
        return found.versions[found.current].shown(found.current)

    def _mark(self, key: str, numbers: list[int] | None, *, deleted: bool) -> None:
        found = self._keys.get(key)
        if found is None:
            return
        for number in numbers or [found.current]:
            version = found.versions.get(int(number))
            if version is None:
                continue
            if deleted:
                version.deleted = self._clock.text()
            else:
                version.data, version.destroyed = None, True

    def _metadata(self, key: str) -> dict[str, Any]:
        found = self._keys.get(key)
        if found is None:
            raise missing()
        versions = {
            str(number): {"created_time": it.created, "deletion_time": it.deleted, "destroyed": it.destroyed}
            for number, it in found.versions.items()
        }
        oldest = min(found.versions, default=0)
        return {
            "current_version": found.current,
            "oldest_version": oldest,
            "created_time": found.created,
            "versions": versions,
        }

    def _list(self, key: str) -> dict[str, Any]:
        folder = f"{key.rstrip('/')}/" if key else ""
        below = [name.removeprefix(folder) for name in self._keys if name.startswith(folder)]
        names = {name if "/" not in name else name.partition("/")[0] + "/" for name in below}
        if not names:
            raise missing()
        return {"keys": sorted(names)}
