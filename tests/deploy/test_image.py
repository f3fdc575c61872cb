"""The image's recipe: a linter's opinion, and what Docker's own client would hand to the builder."""

import io
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deploy.tools import ROOT, run, tool

# What the image runs.
ON = {"python_version": "3.13", "python_full_version": "3.13.0", "extra": ""}
SECRETS = {"master.key": "", ".env": "", "gateway/.env": "", "secrets/private.pem": "", ".gatehouse/ledger.db": ""}


class Builder(HTTPServer):
    """Stands in for Docker's engine: takes a context, and refuses to build it."""

    context: bytes = b""


class _Answers(BaseHTTPRequestHandler):
    server: Builder

    def do_HEAD(self) -> None:
        self._say(200, b"")

    def do_GET(self) -> None:
        self._say(200, b"OK")

    def do_POST(self) -> None:
        self.server.context = b"".join(self._chunks())
        self._say(500, b'{"message": "the context was taken"}')

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Api-Version", "1.50")
        self.send_header("Ostype", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is in the repository, with things in it that must stay out of an image."""
    made = tmp_path / "tree"
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes((ROOT / name).read_bytes())
    for name, content in SECRETS.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(content)
    return made


def context_of(tree: Path) -> set[str]:
    """Return the names of the files that `docker build` sends."""
    builder = Builder(("127.0.0.1", 0), _Answers)
    serving = threading.Thread(target=builder.serve_forever)
    serving.start()
    try:
        host = f"tcp://127.0.0.1:{builder.server_port}"
        done = subprocess.run(
            [tool("docker"), "build", "."],
            cwd=tree,
            env={"DOCKER_HOST": host, "DOCKER_BUILDKIT": "0", "HOME": str(tree.parent), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        builder.shutdown()
        serving.join()
        builder.server_close()
    assert "the context was taken" in done.stderr, done.stderr
    with tarfile.open(fileobj=io.BytesIO(builder.context), mode="r:*") as packed:
        return {member.name for member in packed if member.isfile()}


def test_the_linter_has_nothing_to_say() -> None:
    assert run(tool("hadolint"), "--failure-threshold", "style", str(ROOT / "Dockerfile")) == ""


def test_the_builder_is_given_what_the_recipe_copies_and_no_secret(tree: Path) -> None:
    sent = context_of(tree)

    tops = {name.split("/")[0] for name in sent}
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert tops - {"Dockerfile", ".dockerignore"} == {name for line in copied for name in line.split()}
    assert {"secrets/credentials/keyfile.py", "secrets/policies/gateway.hcl", "gateway/app.py"} <= sent
    assert not sent & SECRETS.keys()


def test_the_image_has_no_rights_and_no_installer() -> None:
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]

    assert "USER 10001:10001" in last
    assert "pip uninstall" in last
    assert "ensurepip" in last
    assert not re.search(r"apt-get|curl|gcc|build-essential", last)


def test_what_builds_the_wheel_is_named_with_all_that_it_needs() -> None:
    (named,) = re.findall(r"take = /\^\((.+)\)==/", (ROOT / "Dockerfile").read_text())

    wanted, needed = ["hatchling"], set[str]()
    while wanted:
        name = wanted.pop()
        needed.add(name)
        lines = [Requirement(line) for line in metadata.requires(name) or []]
        wanted += [one.name for one in lines if one.name not in needed and (not one.marker or one.marker.evaluate(ON))]

    assert set(named.split("|")) == needed
