"""The way that a caller has come through a list, in a few bytes beside its cursor: enough to see a circle.

Brent's method keeps one earlier cursor and compares every new one with it; the kept one moves on at steps 1, 2, 4, 8
and so on. A circle of any length is found within some three rounds, and what is kept does not grow. A vendor whose
cursor is a number that this side counts up can go on with the same page for ever: so pages are compared too.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256

_LAYOUT = struct.Struct(">8sII8sI")
_NOTHING = bytes(8)
# With pages of one item a record that was put in before it shifts an item into the next page, which proves nothing.
_SAME_PAGES = 3


class Circle(Exception):
    """The vendor's pages lead back to one that was given before."""


@dataclass(frozen=True, slots=True)
class Trail:
    """`kept` is the digest of an earlier cursor, `steps` how many came since, `power` when the next one is kept.

    `page` is the digest of the last page's items, `same` how many pages in a row were just that.
    """

    kept: bytes = _NOTHING
    steps: int = 0
    power: int = 1
    page: bytes = _NOTHING
    same: int = 0

    def onward(self, used: str | None, following: str, items: bytes) -> "Trail":
        """Return the trail after a page that was read with one cursor and gives the next. Raises `Circle`.

        `items` are the page's; empty ones are not compared.
        """
        mark, page = _digest(following.encode()), _digest(items) if items else _NOTHING
        same = self.same + 1 if items and page == self.page else 1
        if following == used or (used is not None and mark == self.kept) or same >= _SAME_PAGES:
            raise Circle
        if used is None or self.steps + 1 >= self.power:
            return Trail(mark, 0, self.power if used is None else self.power * 2, page, same)
        return Trail(self.kept, self.steps + 1, self.power, page, same)


def parted(sealed: str) -> tuple[Trail, str]:
    """Return the trail and the vendor's cursor out of what `joined` made."""
    end = 2 * _LAYOUT.size
    return Trail(*_LAYOUT.unpack(bytes.fromhex(sealed[:end]))), sealed[end:]


def joined(trail: Trail, cursor: str) -> str:
    """Return one text of both."""
    packed = _LAYOUT.pack(trail.kept, trail.steps, trail.power, trail.page, trail.same)
    return packed.hex() + cursor


def _digest(value: bytes) -> bytes:
    return sha256(value).digest()[:8]
