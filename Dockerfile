# The server. Written without a container engine at hand: it has not been built or run yet.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/postgres.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --require-hashes -r /tmp/requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin daengdong \
    && install -d -o daengdong -g daengdong -m 0700 /data /media
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE README.md ./
COPY assets/references assets/references
COPY assets/knowledge assets/knowledge
COPY assets/safety assets/safety
COPY assets/tracks assets/tracks
COPY assets/models assets/models
COPY assets/clips assets/clips
COPY game_engine game_engine
COPY edge_sdk edge_sdk
COPY sync_server sync_server
COPY daengdong daengdong
# The code runs from /app: the server finds assets/ beside its packages.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DAENGDONG_DATA_DIR=/data
USER daengdong
VOLUME ["/data", "/media"]
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "daengdong", "serve", "--host", "0.0.0.0", "--port", "8000"]
