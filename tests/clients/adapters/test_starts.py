"""The README's starts, word for word."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.sandbox import ROOT, Sandbox

STARTS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_there_is_a_start_for_the_client_and_one_for_langchain() -> None:
    assert [("langchain" in start) for start in STARTS] == [False, True]


@pytest.mark.parametrize("number", [0, 1])
def test_a_start_of_the_readme_does_what_it_says(number: int, box: Sandbox, tmp_path: Path) -> None:
    issue = (
        'from gatehouse_client import Gatehouse\nGatehouse().github.issue.create(owner="acme", repo="web", title="x")'
    )
    environment = {**os.environ, "GATEHOUSE_URL": box.url, "GATEHOUSE_KEY": box.key}
    for code in (issue, STARTS[number]):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    assert re.match(r"https?://\S+/acme/web/issues/\d+$|github__issue__search \{", done.stdout)
