"""A model API on loopback that says what a test wrote down, and keeps what it was asked."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Model:
    """Answers `POST /v1/chat/completions` and `POST /v1/messages` with the next script entry.

    An entry is a text, or a list of `(name, arguments)` that the model calls. `asked` are the requests' bodies.
    """

    def __init__(self) -> None:
        self.script: deque[str | list[tuple[str, dict[str, Any]]]] = deque()
        self.asked: list[dict[str, Any]] = []
        self.calls = 0

    def __enter__(self) -> Self:
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.asked.append(body)
                said = model.script.popleft()
                answer = model.openai(said) if self.path.endswith("/chat/completions") else model.anthropic(said)
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _id(self) -> str:
        self.calls += 1
        return f"call_{self.calls}"

    def openai(self, said: str | list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": said if isinstance(said, str) else None}
        if not isinstance(said, str):
            message["tool_calls"] = [
                {"id": self._id(), "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for name, arguments in said
            ]
        choice = {"index": 0, "message": message, "finish_reason": "stop" if isinstance(said, str) else "tool_calls"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted",
            "choices": [choice],
            "usage": usage,
        }

    def anthropic(self, said: str | list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": said}] if isinstance(said, str) else []
        if not isinstance(said, str):
            content = [{"type": "tool_use", "id": self._id(), "name": n, "input": arguments} for n, arguments in said]
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "scripted",
            "content": content,
            "stop_reason": "end_turn" if isinstance(said, str) else "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
