"""What is measured and broken on purpose: `python -m bench.speed`, `python -m bench.chaos`. Loopback only."""
