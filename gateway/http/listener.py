"""The sockets that a gateway listens on: bound once, handed to the processes that accept from them, closed with care.

The kernel resets connections that wait in a closed socket's queue, although it told their callers that they are
connected and these may have sent their requests. So before the end no new connection is let begin: a filter on the
socket drops the first packet of each (Linux, `socket(7)`, SO_ATTACH_FILTER). Its caller's kernel sends it again after
a second, and hears from the closed port that nobody is there; nothing was sent by then.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER, which Python's socket module does not name
_BACKLOG = 1024
# Classic BPF over the TCP header: of a packet with SYN and without ACK keep nothing, of any other all.
_NO_BEGINNINGS = (
    (0x30, 0, 0, 13),  # A = the byte of flags
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # A == SYN?
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on all addresses of a host; they can be inherited. Raises `OSError`."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            made.append(_listen(family, address))
    except OSError:
        close(made)
        raise
    return made


def _listen(family: int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)  # type: ignore[arg-type]
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def inherited(descriptors: Sequence[int]) -> list[socket.socket]:
    """Return the listening sockets that a parent process handed down."""
    made = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for one in made:
        one.setblocking(False)
    return made


def url_of(listening: socket.socket, scheme: str = "http") -> str:
    """Return the root URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def turn_away(listening: list[socket.socket]) -> bool:
    """Let no connection begin any more; those that have begun are still to be accepted. Whether the kernel can.

    It holds for all processes that share the socket.
    """
    program = b"".join(struct.pack("HBBI", *line) for line in _NO_BEGINNINGS)
    lines = ctypes.create_string_buffer(program)
    argument = struct.pack("HP", len(_NO_BEGINNINGS), ctypes.addressof(lines))
    try:
        for one in listening:
            one.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, argument)
    except OSError:
        return False
    return True


def close(listening: list[socket.socket]) -> None:
    """Close them."""
    for one in listening:
        one.close()
