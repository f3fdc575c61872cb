"""Files of agents: uploaded inputs and binary outputs, at most 25 MiB, in encrypted chunks, kept 24 h."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Connection, text

from connectors.sdk.errors import NotFound, PayloadTooLarge
from connectors.sdk.exchange import FileContent
from connectors.sdk.model import StoredFile
from gateway.call import Agent
from gateway.clock import Clock, stamp
from gateway.ids import new_id
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database

MOST_BYTES = 25 * 1024 * 1024
CHUNK = 256 * 1024
_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file. `size` is bytes."""

    id: str
    tenant: str
    media_type: str
    size: int
    sha256: str
    expires_at: str


class Files:
    """Keeps files. A file is visible to its agent only, and only once it is whole."""

    def __init__(self, database: Database, bodies: Bodies, clock: Clock) -> None:
        self._database = database
        self._bodies = bodies
        self._clock = clock

    async def receive(self, agent: Agent, media_type: str, parts: AsyncIterator[bytes]) -> FileInfo:
        """Store a stream chunk by chunk. Raises `PayloadTooLarge`; what was stored of it is swept later."""
        info_id, digest, size, number = new_id("file"), sha256(), 0, 0
        expires = stamp(self._clock.now() + _KEPT)
        await self._begin(agent, info_id, media_type, expires)
        waiting = bytearray()
        async for part in parts:
            size += len(part)
            if size > MOST_BYTES:
                raise PayloadTooLarge(f"A file has at most {MOST_BYTES} bytes.", hint="Send a smaller file.")
            digest.update(part)
            waiting += part
            while len(waiting) >= CHUNK:
                await self._chunk(agent, info_id, number, bytes(waiting[:CHUNK]))
                del waiting[:CHUNK]
                number += 1
        if waiting:
            await self._chunk(agent, info_id, number, bytes(waiting))
        info = FileInfo(info_id, agent.tenant, media_type, size, digest.hexdigest(), expires)
        await self._complete(info)
        return info

    async def save(self, agent: Agent, content: bytes, media_type: str) -> StoredFile:
        """Keep bytes as a file of the agent."""

        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(content), CHUNK):
                yield content[start : start + CHUNK]

        info = await self.receive(agent, media_type, parts())
        return StoredFile(file=info.id, media_type=info.media_type, size=info.size, sha256=info.sha256)

    async def info(self, agent: Agent, file: str) -> FileInfo:
        """Return what is known of a file. Raises `NotFound`, also for another agent's."""
        row = await self._database.fetch(
            "SELECT id, tenant, media_type, size, sha256, expires_at FROM files WHERE id=? AND tenant=?"
            " AND environment=? AND agent=? AND complete=1 AND expires_at > ?",
            (file, agent.tenant, agent.environment, agent.id, stamp(self._clock.now())),
            tenant=agent.tenant,
        )
        if row is None:
            raise NotFound(f"There is no file {file[:40]!r} of this agent.", hint="Files are kept for 24 hours.")
        return FileInfo(*row)

    async def parts(self, info: FileInfo) -> AsyncIterator[bytes]:
        """Yield a file's chunks in order."""
        for number in range((info.size + CHUNK - 1) // CHUNK):
            row = await self._database.fetch(
                "SELECT content FROM file_chunks WHERE file=? AND number=?", (info.id, number), tenant=info.tenant
            )
            if row is None:
                raise NotFound("The file was swept while it was read.")
            yield self._bodies.open_bytes(info.tenant, f"{info.id}/{number}", row[0])

    async def load(self, agent: Agent, file: str) -> FileContent:
        """Return a file whole."""
        info = await self.info(agent, file)
        return FileContent(b"".join([part async for part in self.parts(info)]), info.media_type)

    async def sweep(self) -> int:
        """Delete files past their time, and uploads that never ended. Returns how many."""
        now = stamp(self._clock.now())

        def job(rows: Connection) -> int:
            old = text("SELECT id FROM files WHERE expires_at < :now LIMIT 500")
            ids = [row[0] for row in rows.execute(old, {"now": now})]
            for id in ids:
                rows.execute(text("DELETE FROM file_chunks WHERE file=:id"), {"id": id})
                rows.execute(text("DELETE FROM files WHERE id=:id"), {"id": id})
            return len(ids)

        return await self._database.write(job)

    async def _begin(self, agent: Agent, id: str, media_type: str, expires: str) -> None:
        def job(rows: Connection) -> None:
            rows.execute(
                text(
                    "INSERT INTO files (id, tenant, environment, agent, media_type, size, sha256, expires_at, complete)"
                    " VALUES (:id, :t, :e, :a, :m, 0, '', :x, 0)"
                ),
                {"id": id, "t": agent.tenant, "e": agent.environment, "a": agent.id, "m": media_type, "x": expires},
            )

        await self._database.write(job)

    async def _chunk(self, agent: Agent, id: str, number: int, content: bytes) -> None:
        sealed = self._bodies.seal_bytes(agent.tenant, f"{id}/{number}", content)

        def job(rows: Connection) -> None:
            rows.execute(
                text("INSERT INTO file_chunks (file, number, content) VALUES (:f, :n, :c)"),
                {"f": id, "n": number, "c": sealed},
            )

        await self._database.write(job)

    async def _complete(self, info: FileInfo) -> None:
        def job(rows: Connection) -> None:
            rows.execute(
                text("UPDATE files SET size=:s, sha256=:d, complete=1 WHERE id=:id"),
                {"s": info.size, "d": info.sha256, "id": info.id},
            )

        await self._database.write(job)
