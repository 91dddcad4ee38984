# Synedrion in one image: pages, signalling and media workers.
# Build: docker build -t synedrion .      Run: see configs/compose.yml.

# --- builder: everything that compiles or downloads -----------------------------------------------
FROM rust:1.90-bookworm AS builder
SHELL ["/bin/bash", "-eu", "-o", "pipefail", "-c"]
# The versions are those of the Debian release that the image's tag names.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# Locked packages first: they change less often than the code.
COPY requirements.lock ./
RUN python3 -m venv /build/tools \
    && /build/tools/bin/pip download --quiet --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
        --requirement requirements.lock --dest /build/wheels \
    && /build/tools/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-index \
        --find-links /build/wheels maturin
COPY package.json package-lock.json .npmrc ./
RUN npm ci --silent --omit=dev --ignore-scripts

COPY pyproject.toml LICENSE README.md ./
COPY sfu sfu
COPY signaling signaling
COPY recording_policy recording_policy
COPY loadtest loadtest
RUN python3 -m signaling.web.assets \
    && /build/tools/bin/maturin build --quiet --release --locked --out /build/dist

# Only what the wheel needs at run time, in the locked and hash-checked versions.
RUN python3 -m venv --without-pip /opt/synedrion \
    && /build/tools/bin/pip --python /opt/synedrion/bin/python install --quiet --no-cache-dir --disable-pip-version-check \
        --no-index --find-links /build/wheels /build/dist/*.whl

# --- runtime: no compiler, no pip, no root --------------------------------------------------------
FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin synedrion \
    && install --directory --mode 0700 --owner synedrion /var/lib/synedrion
COPY --from=builder /opt/synedrion /opt/synedrion
COPY configs/production.toml /etc/synedrion/production.toml

ENV PATH=/opt/synedrion/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/synedrion
VOLUME /var/lib/synedrion
EXPOSE 8080/tcp 7882/udp 7883/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["synedrion"]
CMD ["serve", "--config", "/etc/synedrion/production.toml"]
