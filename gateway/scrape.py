"""Metrics of many workers as one answer: each sample gets the label `worker`.

They are not added up here: a worker that is restarted begins at zero, and only a series of its own shows that as what
it is. Prometheus adds: `sum without (worker) (rate(...))`. The format is Prometheus' text format 0.0.4.
"""

import re
from collections.abc import Mapping

_SAMPLE = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (.*)$")


def merge(texts: Mapping[int, bytes]) -> bytes:
    """Return the metrics of workers, by their numbers."""
    families: dict[bytes, list[bytes]] = {}
    for number, text in sorted(texts.items()):
        heads: list[bytes] = []
        for line in text.splitlines():
            if line.startswith(b"#"):
                if line.startswith(b"# HELP"):
                    heads = []
                heads.append(line)
            elif (found := _SAMPLE.match(line)) is not None:
                family = families.setdefault(b"\n".join(heads), [])
                family.append(_labelled(found, number))
    return b"".join(head + b"\n" + b"\n".join(samples) + b"\n" for head, samples in families.items())


def _labelled(found: "re.Match[bytes]", number: int) -> bytes:
    name, labels, value = found.groups()
    own = b'worker="%d"' % number
    return b"%s{%s} %s" % (name, labels + b"," + own if labels else own, value)
