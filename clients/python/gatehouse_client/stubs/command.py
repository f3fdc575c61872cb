"""The command `gatehouse-client`."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx

from gatehouse_client.stubs.document import Document, NoDocument
from gatehouse_client.stubs.writing import module, stub

_SECONDS = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="gatehouse-client", description="Helps programs that use Gatehouse.")
    commands = parser.add_subparsers(dest="command", required=True)
    about = "Write a module with the types of a gateway's actions: a .py to import, and the .pyi beside it."
    stubs = commands.add_parser("stubs", help=about, description=about)
    stubs.add_argument("out", type=Path, help="the module to write, such as src/acme/gatehouse.py")
    stubs.add_argument("--url", help="root URL of the gateway [GATEHOUSE_URL]")
    stubs.add_argument("--document", type=Path, help="read an openapi.json instead of asking a gateway")
    stubs.add_argument(
        "--connector", action="append", default=[], help="only this connector's actions; may be repeated"
    )
    stubs.add_argument("--check", action="store_true", help="write nothing; fail where the files would change")
    given = parser.parse_args(arguments)
    try:
        return _stubs(given)
    except (NoDocument, OSError, ValueError, httpx.HTTPError) as error:
        print(f"gatehouse-client: {error or type(error).__name__}", file=sys.stderr)  # noqa: T201
        return 1


def _stubs(given: argparse.Namespace) -> int:
    document = Document(_read(given.document, given.url))
    out: Path = given.out
    if out.suffix != ".py" or not out.stem.isidentifier():
        raise ValueError(f"{out} is no module: name a .py file")
    files = {out: module(), out.with_suffix(".pyi"): stub(document, given.connector)}
    if given.check:
        changed = [str(path) for path, text in files.items() if not path.exists() or path.read_text() != text]
        if changed:
            raise ValueError(f"{', '.join(changed)} is not what the gateway says; write it anew without --check")
        return 0
    for path, text in files.items():
        path.write_text(text)
    return 0


def _read(document: Path | None, url: str | None) -> Any:
    """Return the document. It is public: no key is sent."""
    if document is not None:
        return json.loads(document.read_bytes())
    root = (url or os.environ.get("GATEHOUSE_URL") or "http://127.0.0.1:8080").rstrip("/")
    answer = httpx.get(f"{root}/openapi.json", timeout=_SECONDS)
    if answer.status_code != 200:
        raise NoDocument(f"{root}/openapi.json answered {answer.status_code}")
    return answer.json()


if __name__ == "__main__":
    sys.exit(main())
