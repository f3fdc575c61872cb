"""What a command sends is what was typed."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.commands.wire import CommandFailed, Wire


class Echo(BaseHTTPRequestHandler):
    """Answers what it was sent."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"sent": ' + raw + b', "bearer": "' + self.headers["Authorization"].encode() + b'"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_integer_of_any_length_is_sent_for_the_gateway_to_judge(url: str) -> None:
    with Wire(url, "adm_x", seconds=5) as wire:
        told = wire.ask("POST", "/x", body={"most": 2**64 - 1, "text": "ü"})

        assert told == {"sent": {"most": 2**64 - 1, "text": "ü"}, "bearer": "Bearer adm_x"}
        assert wire.ask("POST", "/x", body=10**30)["sent"] == pytest.approx(1e30)


def test_where_nobody_answers_is_said_without_the_credential() -> None:
    with Wire("http://127.0.0.1:9", "adm_secret", seconds=5) as wire, pytest.raises(CommandFailed) as failed:
        wire.ask("GET", "/x")
    assert str(failed.value).startswith("No gateway answers at http://127.0.0.1:9")
    assert "secret" not in str(failed.value)
