"""Databases for tests: each a copy of a template, made and dropped over the server that the tests are given.

`GATEHOUSE_TESTS_POSTGRES` is its URL; without it the server of this machine is asked.
"""

import asyncio
import os
from uuid import uuid4

import asyncpg
import pytest

SERVER = os.environ.get("GATEHOUSE_TESTS_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
ON_POSTGRES = os.environ.get("GATEHOUSE_TESTS_LEDGER") == "postgresql"


def url_of(name: str) -> str:
    """Return the URL of a database."""
    return SERVER.rpartition("/")[0] + "/" + name


async def create(template: str | None = None) -> str:
    """Make a database and return its name."""
    name = f"gatehouse_test_{uuid4().hex}"
    await _run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return name


async def create_or_skip(template: str | None = None) -> str:
    """Make a database. Without a server the test is skipped, or fails where all tests are asked for."""
    try:
        return await create(template)
    except OSError as error:
        if os.environ.get("GATEHOUSE_TESTS_REQUIRE_ALL") == "1":
            pytest.fail(f"PostgreSQL does not answer at {SERVER}, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
        pytest.skip(f"PostgreSQL does not answer at {SERVER}: {error}")


async def copy(name: str) -> str:
    """Copy a database as it is now, and return the copy's name. Who is connected is thrown out for that time."""
    await _run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await end_connections(name)
    made = await create(name)
    await _run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    return made


async def put_in_place(older: str, name: str) -> None:
    """Let an older copy take a database's place, as a failover to a standby that lagged does. What was there goes."""
    await _run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    lost = f"{name}_lost"
    await rename(name, lost)
    await rename(older, name)
    await drop(lost)


async def rename(name: str, to: str) -> None:
    """Give a database another name, and end who is connected to it."""
    await _run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await _run(f'ALTER DATABASE "{name}" RENAME TO "{to}"')


async def end_connections(name: str) -> None:
    """End who is connected to a database."""
    await _run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


async def drop(name: str) -> None:
    """Drop a database, whoever is still connected."""
    await _run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _run(statement: str) -> None:
    # CREATE DATABASE locks its template: tests that run side by side may meet there.
    for attempt in range(50):
        connection = await asyncpg.connect(SERVER)
        try:
            await connection.execute(statement)
        except asyncpg.ObjectInUseError:
            if attempt == 49:
                raise
            await asyncio.sleep(0.1)
        else:
            return
        finally:
            await connection.close()
