"""Rotates tenants' keys at Vault, and wraps their data keys again under the newest version.

Data keys themselves stay, and so does all that they sealed: a running gateway notices nothing. Rewrapping also takes to
Vault what the master key wrapped before there was one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from credentials.vault_transit import KeyDestroyed
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.epoch import Ledger, opened_ledger
from gateway.installation import Home
from gateway.ledger.holding import meta_of, put_meta
from gateway.ledger.keyring import Stored, stored_keys
from gateway.ledger.wrapping import wrapped_by_vault
from gateway.settings import Settings

Progress = Callable[[int, int], None]
_PLACE = "rewrapped_up_to"


class NoVaultHere(Exception):
    """The settings name no Vault."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many data keys were wrapped again, how many an earlier run had done, and which tenants' key is destroyed."""

    rewrapped: int
    before: int
    destroyed: tuple[str, ...]


async def rotate(settings: Settings, home: Home, tenant: str | None, told: Progress) -> tuple[str, ...]:
    """Give the key of a tenant, or of all and of the operators, a new version at Vault. Returns whose.

    What older versions wrapped still opens. Raises `NoVaultHere`, and what `opened_ledger` raises.
    """
    async with opened_ledger(settings, home) as ledger:
        vault = ledger.keys.vault
        if vault is None:
            raise NoVaultHere("The settings name no Vault, so there is no key to rotate (GATEHOUSE_VAULT_ADDR).")
        stored = await ledger.database.read(stored_keys)
        named = sorted({of for of, _, wrapped in stored if wrapped_by_vault(wrapped) and tenant in {None, of}})
        for done, of in enumerate(named, 1):
            await vault.keys.rotate(of)
            told(done, len(named))
        said = {"what": "data_keys.rotate", "tenants": [of or "operators" for of in named]}
        await _record(ledger, said, lambda rows: rows.execute(_FORGET).rowcount)
        return tuple(of or "operators" for of in named)


async def rewrap(settings: Settings, home: Home, told: Progress, *, anew: bool = False) -> Rewrapped:
    """Wrap all data keys by the newest version of their key. Ended in between, the next run goes on; `anew` does not.

    Raises what `opened_ledger` raises.
    """
    async with opened_ledger(settings, home) as ledger:
        stored, place = await ledger.database.read(lambda rows: (stored_keys(rows), meta_of(rows, _PLACE)))
        after = tuple(orjson.loads(place)) if place is not None and not anew else None
        left = [key for key in stored if after is None or key[:2] > after]
        destroyed = [key[0] for key in left if not await _one(ledger, key, told, stored)]
        done = Rewrapped(len(left) - len(destroyed), len(stored) - len(left), tuple(destroyed))
        said = {"what": "data_keys.rewrap", "keys": done.rewrapped, "destroyed": list(destroyed)}
        await _record(ledger, said, lambda rows: rows.execute(_FORGET).rowcount)
        return done


_FORGET = text("DELETE FROM meta WHERE name=:name").bindparams(name=_PLACE)
_REPLACE = text("UPDATE data_keys SET wrapped=:fresh WHERE tenant=:tenant AND number=:number AND wrapped=:old")


async def _one(ledger: Ledger, key: Stored, told: Progress, stored: list[Stored]) -> bool:
    """Wrap one key again. Returns False where its key is destroyed. How far we are is written with it."""
    tenant, number, wrapped = key
    try:
        fresh = await ledger.keys.wrapper.rewrap(tenant, number, wrapped)
    except KeyDestroyed:
        return False

    def job(rows: Rows) -> None:
        rows.execute(_REPLACE, {"fresh": fresh, "tenant": tenant, "number": number, "old": wrapped})
        put_meta(rows, _PLACE, orjson.dumps([tenant, number]).decode())

    await ledger.database.write(job)
    told(stored.index(key) + 1, len(stored))
    return True


async def _record(ledger: Ledger, said: Mapping[str, object], job: Callable[[Rows], int]) -> None:
    event = ledger.events.make("admin", ledger.clock.now(), said, tenant="", environment="")
    await ledger.database.write(job, event)
