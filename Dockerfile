# Builds the wheel in one stage; in the next it runs as a user without rights, on a root file system that may be
# read-only: all that is written goes to GATEHOUSE_HOME and /tmp.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /src
COPY requirements requirements
# Two environments, both pinned with hashes: what builds the wheel does not come along.
RUN python -m venv /opt/gatehouse \
 && /opt/gatehouse/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt \
 && awk '/^[a-z]/ { take = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } take' requirements/dev.txt > /tmp/build.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r /tmp/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY connectors connectors
COPY scopes scopes
COPY secrets secrets
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/gatehouse/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/gatehouse/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gatehouse" \
      org.opencontainers.image.description="The one door between AI agents and the systems where companies keep their work." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The base image has pip, and ensurepip that could bring it back.
RUN python -m pip uninstall --yes --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.*/ensurepip \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/gatehouse --create-home --shell /usr/sbin/nologin gatehouse \
 && chmod 0700 /var/lib/gatehouse
COPY --from=build /opt/gatehouse /opt/gatehouse
ENV PATH=/opt/gatehouse/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEHOUSE_HOME=/var/lib/gatehouse \
    GATEHOUSE_HOST=0.0.0.0 \
    GATEHOUSE_METRICS_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/gatehouse
VOLUME /var/lib/gatehouse
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-m", "gateway.healthcheck"]
ENTRYPOINT ["gatehouse"]
CMD ["serve"]
