# syntax=docker/dockerfile:1
# Offhook in a container: docker build --tag offhook . (or make image), then compose.yaml.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /opt/offhook
WORKDIR /src
# The dependencies first: they change less often than the sources.
COPY requirements.lock ./
RUN /opt/offhook/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY config config
COPY engine engine
COPY ivr ivr
COPY main main
COPY migrations migrations
COPY queues queues
COPY recordings recordings
COPY router router
COPY tickets tickets
RUN /opt/offhook/bin/pip install --no-deps --no-build-isolation . \
    && /opt/offhook/bin/pip uninstall --yes hatchling editables trove-classifiers pip

FROM python:3.11-slim-bookworm
# espeak-ng speaks what no recorded prompt says; it stays a program of its own.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends espeak-ng \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/offhook --create-home offhook
COPY --from=build /opt/offhook /opt/offhook
COPY config/container.yaml /etc/offhook/offhook.yaml
ENV PATH=/opt/offhook/bin:$PATH PYTHONUNBUFFERED=1
USER offhook
WORKDIR /var/lib/offhook
VOLUME /var/lib/offhook
# SIP, HTTP, RTP. Ten thousand published ports are slow to set up: prefer --network host.
EXPOSE 5060/udp 5060/tcp 8080/tcp 20000-29999/udp
STOPSIGNAL SIGTERM
# Alive, not ready: who is unhealthy may be killed, and a node that drains has calls.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import json, urllib.request as r; url = json.load(open('/var/lib/offhook/run/supervisor.json'))['api']['url']; r.urlopen(url + '/health/live', timeout=2)"]
ENTRYPOINT ["offhook"]
CMD ["serve", "--config", "/etc/offhook/offhook.yaml"]
