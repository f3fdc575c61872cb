"""`python -m gateway` is `gatehouse`."""

from gateway.cli import main

main()
