# Builds the wheel in one stage and runs it as a user without rights in the next.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements requirements
RUN python -m venv /opt/gatehouse \
 && /opt/gatehouse/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt \
 && python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir build hatchling
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY connectors connectors
COPY scopes scopes
COPY secrets secrets
RUN /opt/build/bin/python -m build --wheel --no-isolation --outdir /dist . \
 && /opt/gatehouse/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/gatehouse/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/gatehouse --create-home --shell /usr/sbin/nologin gatehouse
COPY --from=build /opt/gatehouse /opt/gatehouse
ENV PATH=/opt/gatehouse/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEHOUSE_HOME=/var/lib/gatehouse \
    GATEHOUSE_HOST=0.0.0.0 \
    GATEHOUSE_METRICS_HOST=0.0.0.0
USER 10001
VOLUME /var/lib/gatehouse
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["gatehouse"]
CMD ["serve"]
