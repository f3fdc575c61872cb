"""Faults of ours, as they are logged."""

import structlog

_log = structlog.get_logger("gatehouse.fault")


def log_fault(error: BaseException, trace: str) -> None:
    """Log where a fault of ours is, without its text: that may hold what a caller sent."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else "?"
    _log.error("internal_error", kind=type(error).__name__, where=where, trace=trace)
