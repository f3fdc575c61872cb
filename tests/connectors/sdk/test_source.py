"""What a connector's modules may not do is found in their source, and the finding says what to write instead."""

from pathlib import Path

import pytest

from connectors.sdk.contract import source
from connectors.sdk.contract.source import package_faults, source_faults

HANDLER = "async def get_note(api, what):\n    {}\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import socket", "await `api.get"),
        ("import aiohttp", "await `api.get"),
        ("import httpx as http", "await `api.get"),
        ("import requests.sessions", "await `api.get"),
        ("import urllib.request", "await `api.get"),
        ("from urllib import request", "await `api.get"),
        ("from http.client import HTTPSConnection", "await `api.get"),
        ("import asyncio", "await `api.get"),
        ("from time import sleep", "leave waiting to the gateway"),
        (HANDLER.format("time.sleep(1)"), "leave waiting to the gateway"),
        (HANDLER.format("await asyncio.sleep(1)"), "leave waiting to the gateway"),
        (HANDLER.format("open('x')"), "api.load(file)"),
        (HANDLER.format("Path('x').read_text()"), "api.load(file)"),
        (HANDLER.format("os.environ['TOKEN']"), "the connection's `base_url`"),
        (HANDLER.format("os.getenv('TOKEN')"), "the connection's `base_url`"),
        ("from os import environ", "the connection's `base_url`"),
        ("from credentials.store import Credential", "a connector imports `connectors.sdk`"),
        ("import gateway.app", "a connector imports `connectors.sdk`"),
        (HANDLER.format("await api.get('/x', headers={'Authorization': 'Bearer x'})"), "connector's `auth`"),
        (HANDLER.format("api.token"), "no handler sees a credential"),
        (HANDLER.format("api._connector"), "no handler sees a credential"),
        (HANDLER.format("await api.get(f'/notes/{what.note}')"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("await api.get('/notes/' + what.note)"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("await api.post('/notes/%s' % what.note)"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("await api.put('/notes/{}'.format(what.note))"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("await api.request('GET', f'/notes/{what.note}')"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("await api.get('/'.join(['notes', what.note]))"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("path = f'/notes/{what.note}'\n    await api.get(path)"), "api.get('/notes/{note}', what)"),
        (HANDLER.format("await api.get(path=f'/notes/{what.note}')"), "api.get('/notes/{note}', what)"),
    ],
)
def test_what_a_module_may_not_do_is_found(code: str, says: str) -> None:
    faults = source_faults(code)

    assert len(faults) == 1
    assert says in faults[0].message


@pytest.mark.parametrize(
    "code",
    [
        "from urllib.parse import quote",
        "from time import time",
        HANDLER.format("await api.get('/notes/{note}', what)"),
        HANDLER.format("await api.get(NOTES + '/{note}', what)"),
        HANDLER.format("await api.get(f'{NOTES}/{{note}}', what)"),
        HANDLER.format("path = NOTES if what.all else NOTE\n    await api.get(path, what)"),
        HANDLER.format("await api.get('/x', headers={'Accept': 'text/plain'})"),
        HANDLER.format("names.get(f'{what.note}')"),
        "async def read(api, path, what):\n    return await api.get(path, what)\n",
    ],
)
def test_what_handlers_need_is_no_fault(code: str) -> None:
    assert source_faults(code) == []


def test_every_module_of_a_connector_is_read_and_its_simulator_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(source, "source_faults", lambda text: read.append(text))

    package_faults("connectors.github")

    folder = Path(__file__).resolve().parents[3] / "connectors" / "github"
    assert sorted(read) == sorted(path.read_text() for path in folder.glob("*.py"))
