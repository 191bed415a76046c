# One image for every component. Build it with `understudy image build` (or `make image`), which prepares the context:
#   site/   the pinned packages, unpacked for this base's Python
#   app/    the package understudy
# so that nothing is downloaded here, unless the base lacks nft.
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE}

# The node agent's masquerading takes nft. The user has a number and a name, and nothing of its own to write to.
RUN command -v nft >/dev/null || { \
      apt-get update && apt-get install --yes --no-install-recommends nftables && rm -rf /var/lib/apt/lists/*; }; \
    echo 'understudy:x:65532:65532::/nonexistent:/usr/sbin/nologin' >> /etc/passwd; \
    echo 'understudy:x:65532:' >> /etc/group

ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/site:/opt/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8

# Compiled here, since the root file system is read-only later; the first layer changes only with the lock.
COPY site /opt/site
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/site
COPY launcher /usr/local/bin/understudy
COPY app /opt/app
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app \
    && python3 -c 'import aiohttp, cryptography, kopf, msgspec, numpy, prometheus_client, pyroute2, uvloop, yaml' \
    && understudy --version

USER 65532:65532
LABEL org.opencontainers.image.title=Understudy \
      org.opencontainers.image.licenses=Apache-2.0
ENTRYPOINT ["understudy"]
