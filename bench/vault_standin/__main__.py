"""Run the stand-in as a process: `python -m bench.vault_standin --port 8200`. Prints its address and root token."""

import argparse
import signal
import threading

import orjson

from bench.vault_standin.server import VaultStandIn


def main() -> None:
    """Serve until the process is asked to end."""
    wanted = argparse.ArgumentParser(description="A stand-in for Vault, for tests. It keeps no secret.")
    wanted.add_argument("--port", type=int, default=0)
    wanted.add_argument("--root-token", default=None)
    given = wanted.parse_args()
    vault = VaultStandIn(root_token=given.root_token, port=given.port).start()
    told = {"url": vault.url, "root_token": vault.root_token, "unseal_key": vault.unseal_key}
    print(orjson.dumps(told).decode(), flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    vault.stop()


if __name__ == "__main__":
    main()
