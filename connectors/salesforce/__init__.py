"""Salesforce: records of any object, queries and searches, and what sales and service do all day."""

from connectors.salesforce import (
    batch,
    case,
    composite,
    feed,
    object,
    opportunity,
    org,
    query,
    record,
    sales,
    search,
    task,
)
from connectors.salesforce.connector import salesforce

__all__ = [
    "batch",
    "case",
    "composite",
    "feed",
    "object",
    "opportunity",
    "org",
    "query",
    "record",
    "sales",
    "salesforce",
    "search",
    "task",
]
