"""Run the stand-in as a process: `python -m bench.vault_standin --port 8200`. Prints its address and root token.

With `--prepared` Gatehouse is set up in it, and what a gateway needs to log in by AppRole is printed too.
"""

import argparse
import signal
import threading

import hvac
import orjson

from bench.vault_standin.prepare import prepare, way_in
from bench.vault_standin.server import VaultStandIn


def main() -> None:
    """Serve until the process is asked to end."""
    wanted = argparse.ArgumentParser(description="A stand-in for Vault, for tests. It keeps no secret.")
    wanted.add_argument("--port", type=int, default=0)
    wanted.add_argument("--root-token", default=None)
    wanted.add_argument("--prepared", action="store_true")
    given = wanted.parse_args()
    vault = VaultStandIn(root_token=given.root_token, port=given.port).start()
    told = {"url": vault.url, "root_token": vault.root_token, "unseal_key": vault.unseal_key}
    if given.prepared:
        root = hvac.Client(url=vault.url, token=vault.root_token)
        prepare(root)
        made = way_in(root)
        told |= {"role_id": made.role_id, "secret_id": made.secret_id}
    print(orjson.dumps(told).decode(), flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    vault.stop()


if __name__ == "__main__":
    main()
