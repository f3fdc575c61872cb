"""`python -m gateway.healthcheck`: exit 0 where the gateway of this machine answers. For the image's health check.

It asks no proxy, whatever the environment names, and takes any certificate: what it asks is its own machine.
"""

import http.client
import ssl
import sys

from gateway.settings import HealthSettings

_SECONDS = 2.0


def main() -> int:
    """Ask `/healthz` on loopback."""
    settings = HealthSettings()
    asked = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=_SECONDS)
    if settings.tls_certificate_file is not None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        asked = http.client.HTTPSConnection("127.0.0.1", settings.port, timeout=_SECONDS, context=context)
    try:
        asked.request("GET", "/healthz")
        return int(asked.getresponse().status != 200)
    except OSError as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    finally:
        asked.close()


if __name__ == "__main__":
    raise SystemExit(main())
