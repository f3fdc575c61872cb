"""Listening sockets: who has begun to connect is accepted, whoever comes later hears that nobody is there."""

import select
import socket

import pytest

from gateway.http.listener import bind, close, turn_away, url_of


def test_after_turning_away_what_had_connected_is_accepted_and_no_new_connection_begins() -> None:
    listening = bind("127.0.0.1", 0)
    before = socket.create_connection(listening[0].getsockname(), timeout=5)

    assert turn_away(listening)

    late = socket.socket()
    late.settimeout(0.3)
    with pytest.raises(TimeoutError):
        late.connect(listening[0].getsockname())
    accepted, _ = listening[0].accept()
    before.sendall(b"hello")
    assert accepted.recv(5) == b"hello"
    with pytest.raises(BlockingIOError):
        listening[0].accept()
    for one in (late, before, accepted):
        one.close()
    close(listening)


def test_whoever_was_turned_away_hears_from_the_closed_port_that_nobody_is_there() -> None:
    listening = bind("127.0.0.1", 0)
    address = listening[0].getsockname()
    assert turn_away(listening)
    late = socket.socket()
    late.setblocking(False)
    with pytest.raises(BlockingIOError):
        late.connect(address)

    close(listening)

    with pytest.raises(ConnectionRefusedError):
        wait_connected(late)
    late.close()


def wait_connected(connecting: socket.socket) -> None:
    """Wait until the kernel has an answer, and raise it."""
    _, ready, _ = select.select([], [connecting], [], 5)
    assert ready
    raise OSError(connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "no connection")


def test_a_name_of_all_addresses_is_bound_and_its_url_can_be_asked() -> None:
    listening = bind("127.0.0.1", 0)

    url = url_of(listening[0])

    assert url == f"http://127.0.0.1:{listening[0].getsockname()[1]}"
    close(listening)
