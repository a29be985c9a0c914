# The service with everything it needs, PostgreSQL included; run as an ordinary user.
#
#   docker build -t kat-fhir .
#   docker run -p 8000:8000 -v kat-data:/data kat-fhir                          embedded database in the volume
#   docker run -p 8000:8000 -e KAT_DATABASE_URL=postgresql://... kat-fhir       a database of one's own
#
# KAT_BASE_URL has to be the origin under which clients reach the service.

ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /build
COPY requirements-build.lock requirements.lock ./
RUN python -m venv /opt/kat-fhir \
    && /opt/kat-fhir/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock -r requirements.lock
COPY pyproject.toml ./
COPY models models
COPY service service
COPY migrations migrations
COPY api api
RUN /opt/kat-fhir/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/kat-fhir/bin/pip uninstall --yes setuptools pip

# No compiler, no build tool, no package manager of Python (the base image brings one): the finished environment.
FROM python:${PYTHON}-slim-bookworm
RUN python -m pip uninstall --yes setuptools wheel pip \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python*/ensurepip
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin kat \
    && install --directory --owner kat --group kat --mode 0700 /data
COPY --from=build /opt/kat-fhir /opt/kat-fhir
ENV PATH=/opt/kat-fhir/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KAT_HOST=0.0.0.0 \
    KAT_DATA_DIR=/data
USER kat
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('KAT_PORT', '8000')}/health/ready\", timeout=4)"]
ENTRYPOINT ["kat-fhir"]
CMD ["serve"]
