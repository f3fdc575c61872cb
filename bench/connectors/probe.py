"""One start in its own process: `python -m bench.connectors.probe SHIPPED USED`, names parted by commas.

Prints JSON: milliseconds and KiB that the registry of SHIPPED connectors and the import of USED ones took, after
everything else was imported; and nanoseconds of processor time to find a used action by its name.
"""

import gc
import sys
import time

import orjson

import gateway.app
from gateway.registry import Registry

_LOOKS = 200_000


def _resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4


def main() -> int:
    """Measure and print."""
    assert gateway.app
    shipped, used = (names.split(",") if names else [] for names in sys.argv[1:3])
    gc.collect()
    memory, began = _resident_kib(), time.perf_counter()
    registry = Registry(shipped=shipped)
    for name in used:
        assert registry.connectors[name].actions
    taken, grown = time.perf_counter() - began, _resident_kib() - memory
    found = next((action for name in used for action in sorted(registry.connectors[name].actions)), "no.such.action")
    began = time.process_time_ns()
    for _ in range(_LOOKS):
        registry.action(found)
    looked = (time.process_time_ns() - began) / _LOOKS
    shown = {"ms": taken * 1000, "kib": grown, "look_up_ns": looked}
    sys.stdout.write(orjson.dumps(shown).decode() + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
