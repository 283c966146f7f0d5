# The base image: every program of openmsistream, run as the user openmsi. docs/deploy.md says how it is used.
#   docker build -t openmsi/openmsistream:2 .
# Any builder takes it. A build that can be repeated names its base by digest: --build-arg BASE_IMAGE=python@sha256:...
ARG BASE_IMAGE=python:3.14-slim

FROM ${BASE_IMAGE} AS build
# Parts that are not always wanted, as pip names them: broker,s3,girder,remote
ARG EXTRAS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_QUIET=1
RUN python3 -m venv /opt/openmsistream && python3 -m venv /tmp/pip
WORKDIR /source
# First what we need of others, in the versions that our tests are run with: a change of our own source does not fetch it anew.
COPY pyproject.toml requirements/ci.txt ./
RUN mkdir -p openmsistream examples/instrument && touch README.md LICENSE openmsistream/__init__.py \
 && /tmp/pip/bin/pip install --constraint ci.txt hatchling \
 && /tmp/pip/bin/pip wheel --no-build-isolation --wheel-dir /tmp/wheels --constraint ci.txt ".${EXTRAS:+[$EXTRAS]}" \
 && rm /tmp/wheels/openmsistream-*.whl
COPY . .
# Compiled here once and for all: whoever runs the image may not write beside the source. openmsistream-start turns the words
# of docker run into a program; process 1 does not end by a signal unless it says so, which is therefore its first word.
RUN /tmp/pip/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /tmp/wheels . \
 && /opt/openmsistream/bin/pip install --no-compile --no-index --find-links /tmp/wheels \
    "openmsistream${EXTRAS:+[$EXTRAS]}" \
 && printf '%s\n' '#!/opt/openmsistream/bin/python -I' 'import os, signal' \
    'for number in (signal.SIGINT, signal.SIGTERM):' '    signal.signal(number, lambda came, _: os._exit(128 + came))' \
    'from openmsistream.services.container import main' 'main()' \
    > /opt/openmsistream/bin/openmsistream-start \
 && chmod 755 /opt/openmsistream/bin/openmsistream-start \
 && /opt/openmsistream/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/openmsistream/lib
# Apache Kafka itself belongs to the extra broker.
RUN case ",${EXTRAS}," in *,broker,*) \
    OPENMSISTREAM_KAFKA_DIR=/opt/openmsistream/kafka /opt/openmsistream/bin/openmsistream broker fetch ;; esac

FROM ${BASE_IMAGE}
ARG UID=1000
ARG GID=1000
# Any user may run it (--user), so these folders may be written to by all, as /tmp may.
RUN groupadd --non-unique --gid "${GID}" openmsi \
 && useradd --no-log-init --non-unique --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash openmsi \
 && mkdir /home/openmsi/data /home/openmsi/state \
 && chown -R "${UID}:0" /home/openmsi \
 && chmod 1777 /home/openmsi /home/openmsi/data /home/openmsi/state \
 && echo 'PATH=/opt/openmsistream/bin:$PATH' > /etc/profile.d/openmsistream.sh
COPY --from=build /opt/openmsistream /opt/openmsistream
# Where state cannot live beside the files it is in /home/openmsi/state: one place for a volume.
ENV PATH=/opt/openmsistream/bin:$PATH \
    HOME=/home/openmsi \
    XDG_STATE_HOME=/home/openmsi/state \
    PYTHONUNBUFFERED=1 \
    OPENMSISTREAM_CONTAINER=1 \
    OPENMSISTREAM_HEALTH_FILE=/dev/shm/openmsistream.health \
    OPENMSISTREAM_KAFKA_DIR=/opt/openmsistream/kafka
ARG BASE_IMAGE
ARG EXTRAS=""
ARG VERSION=2.0.0.dev0
LABEL org.opencontainers.image.title="openmsistream" \
      org.opencontainers.image.description="Moves laboratory files through Apache Kafka: a folder here becomes the same folder there, whole and verified" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      openmsistream.extras="${EXTRAS}"
USER openmsi
WORKDIR /home/openmsi
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["openmsistream", "health"]
ENTRYPOINT ["/opt/openmsistream/bin/openmsistream-start"]
