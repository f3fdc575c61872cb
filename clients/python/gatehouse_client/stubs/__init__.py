"""Types for editors and checkers, written from a gateway's OpenAPI document."""
