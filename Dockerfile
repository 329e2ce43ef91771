# One file, one image per service: docker build --target dispatcher -t switchhook-dispatcher .
# Targets: monitor dispatcher recorder fileserver simulator all; the last one is built when none is named.
#
# Each image holds the pinned packages of its service and nothing to build with. It runs as a number, needs no shell, and
# writes to /var/lib/switchhook and /tmp alone, so that its root can be read-only. SIGTERM drains it.
# Nothing in here asks for BuildKit.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# ---- built: the wheel, and an environment with what all services need -----------------------------------------------

FROM ${PYTHON_IMAGE} AS core
# A constraint by environment also holds where pip builds the wheel.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=/src/constraints.txt
WORKDIR /src
# Some wheels bring tables of symbols that nothing needs, 17 MB in all.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils >/dev/null
RUN python3 -m venv --without-pip /opt/switchhook
COPY constraints.txt pyproject.toml README.md LICENSE ./
# First with a package that has nothing but the version: so a changed line of code does not install the others again.
COPY switchhook/__init__.py switchhook/
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet .
COPY switchhook switchhook
COPY services services
COPY simulator simulator
RUN python3 -m pip wheel --quiet --no-deps --wheel-dir /wheels . \
 && python3 -m pip --python /opt/switchhook/bin/python install --quiet --no-deps --force-reinstall /wheels/*.whl

# ---- runtime: what every image begins with --------------------------------------------------------------------------

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/switchhook/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A named volume takes the owner of the folder that it covers.
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/switchhook && install -d /etc/switchhook
# Where switchhook.toml is looked for.
WORKDIR /etc/switchhook
USER 10001:10001
VOLUME ["/var/lib/switchhook"]
STOPSIGNAL SIGTERM
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s --retries=3 \
  CMD ["python", "-m", "services.commands.health"]
ENTRYPOINT ["switchhook"]
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://example.com/switchhook
LABEL org.opencontainers.image.title="Switchhook" \
      org.opencontainers.image.description="Tells CRMs and service desks about every call of a 3CX phone system" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"

# ---- monitor --------------------------------------------------------------------------------------------------------

FROM core AS monitor-packages
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet "$(ls /wheels/*.whl)[monitor]" \
 && find /opt/switchhook -name '*.so' -exec strip --strip-unneeded {} +

FROM runtime AS monitor
COPY --from=monitor-packages /opt/switchhook /opt/switchhook
CMD ["run", "monitor"]

# ---- dispatcher -----------------------------------------------------------------------------------------------------

FROM core AS dispatcher-packages
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet "$(ls /wheels/*.whl)[dispatcher]" \
 && find /opt/switchhook -name '*.so' -exec strip --strip-unneeded {} +

FROM runtime AS dispatcher
COPY --from=dispatcher-packages /opt/switchhook /opt/switchhook
EXPOSE 50051
CMD ["run", "dispatcher"]

# ---- fileserver -----------------------------------------------------------------------------------------------------

FROM core AS fileserver-packages
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet "$(ls /wheels/*.whl)[fileserver]" \
 && find /opt/switchhook -name '*.so' -exec strip --strip-unneeded {} +

FROM runtime AS fileserver
COPY --from=fileserver-packages /opt/switchhook /opt/switchhook
EXPOSE 5001
CMD ["run", "fileserver"]

# ---- simulator: a 3CX to develop against, and a receiver that prints what it is told --------------------------------

FROM core AS simulator-packages
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet "$(ls /wheels/*.whl)[simulator]" \
 && find /opt/switchhook -name '*.so' -exec strip --strip-unneeded {} +

FROM runtime AS simulator
COPY --from=simulator-packages /opt/switchhook /opt/switchhook
EXPOSE 5001
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5002/state', timeout=5)"]
CMD ["simulate", "--host", "0.0.0.0", "--port", "5001"]

# ---- recorder: the only one with ffmpeg, a static one: Debian's has 450 MB of libraries -----------------------------

FROM core AS recorder-packages
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet "$(ls /wheels/*.whl)[recorder,bundled]" \
 && find /opt/switchhook -name '*.so' -exec strip --strip-unneeded {} +

FROM runtime AS recorder
COPY --from=recorder-packages /opt/switchhook /opt/switchhook
EXPOSE 50051
CMD ["run", "recorder"]

# ---- all: the four services in one process --------------------------------------------------------------------------

FROM recorder-packages AS all-packages
RUN python3 -m pip --python /opt/switchhook/bin/python install --quiet "$(ls /wheels/*.whl)[all,bundled]" \
 && find /opt/switchhook -name '*.so' -exec strip --strip-unneeded {} +

FROM runtime AS all
COPY --from=all-packages /opt/switchhook /opt/switchhook
EXPOSE 5001
CMD ["run"]
