"""Opens the ledger's data keys: what is stored, unwrapped once and taken into use."""

import asyncio
from collections.abc import Iterable

from credentials.vault_transit import KeyDestroyed
from sqlalchemy import Connection as Rows
from sqlalchemy import select

from connectors.sdk.errors import SecretStoreUnavailable
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.schema import data_keys
from gateway.ledger.wrapping import KeyWrapper, NoVault, wrapped_by_vault

Stored = tuple[str, int, bytes]
_AT_ONCE = 16


def stored_keys(rows: Rows) -> list[Stored]:
    """Return all data keys as they are stored: tenant, number, wrapped."""
    query = select(data_keys.c.tenant, data_keys.c.number, data_keys.c.wrapped).order_by(
        data_keys.c.tenant, data_keys.c.number
    )
    return [(row[0], row[1], bytes(row[2])) for row in rows.execute(query)]


async def open_keys(bodies: Bodies, wrapper: KeyWrapper, stored: Iterable[Stored]) -> list[Stored]:
    """Take data keys into use and return those that are open, or destroyed at Vault. The others are expected: Vault is
    away, and after the first refusal it is not asked for the rest.

    Raises `Unreadable` where another master key wrapped them, or Vault did and there is none.
    """
    slots, away, done = asyncio.Semaphore(_AT_ONCE), asyncio.Event(), list[Stored]()

    async def one(tenant: str, number: int, wrapped: bytes) -> None:
        async with slots:
            if away.is_set():
                bodies.expect(tenant, number)
                return
            try:
                bodies.take(tenant, number, await wrapper.unwrap(tenant, number, wrapped))
            except SecretStoreUnavailable:
                away.set()
                bodies.expect(tenant, number)
                return
            except NoVault as error:
                raise Unreadable(str(error)) from error
            except KeyDestroyed as error:
                if not wrapped_by_vault(wrapped):
                    raise Unreadable(str(error)) from error
                bodies.forget(tenant, number)
            done.append((tenant, number, wrapped))

    await asyncio.gather(*(one(*key) for key in stored))
    return sorted(done)
