"""`/v1/admin`: the control plane's door. It reads, asks a service, and writes; it decides nothing."""

from gateway.http.admin.door import AdminDoor, Services

__all__ = ["AdminDoor", "Services"]
