# syncd in a container. Build: `docker build -t syncd .`; run:
#
#   docker run -v ./syncd.yaml:/etc/syncd/syncd.yaml:ro -v ./credentials:/etc/syncd/credentials:ro \
#     -v syncd-state:/var/lib/syncd -p 127.0.0.1:9469:9469 syncd
#
# In syncd.yaml: `ledger: {url: "sqlite:////var/lib/syncd/ledger.db"}` and `http: {listen: "0.0.0.0:9469"}`; secrets as
# {credential: NAME}, files that uid 10001 may read. Reload with `docker kill -s HUP`, run now with `-s USR1`.

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/syncd
# the brackets make the file optional: where it is, it fixes the versions
COPY pyproject.toml README.md constraints.tx[t] ./
COPY syncd ./syncd
RUN touch constraints.txt \
    && pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
    && /opt/syncd/bin/pip install --no-cache-dir --only-binary :all: --constraint constraints.txt "$(echo /wheel/*.whl)[soap]" \
    && /opt/syncd/bin/python -m pip uninstall --yes --quiet pip

FROM python:3.13-slim
LABEL org.opencontainers.image.title="syncd" \
      org.opencontainers.image.description="Keeps Open-Xchange secondary mail accounts in step with the groups of a directory" \
      org.opencontainers.image.documentation="README.md"
RUN useradd --uid 10001 --user-group --home-dir /var/lib/syncd --no-create-home --shell /usr/sbin/nologin syncd \
    && install -d -o syncd -g syncd -m 0700 /var/lib/syncd \
    && install -d /etc/syncd
COPY --from=build /opt/syncd /opt/syncd
ENV PATH=/opt/syncd/bin:$PATH \
    MALLOC_ARENA_MAX=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/syncd
VOLUME /var/lib/syncd
EXPOSE 9469
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9469/healthz', timeout=4)"]
ENTRYPOINT ["syncd"]
CMD ["run", "-c", "/etc/syncd/syncd.yaml"]
