# Cache and sessions: Debian's Redis; of a development system in memory alone. Rendered by Kiln.
FROM localhost:5000/kiln/base:bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS cache
RUN set -eux; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
        redis-server \
    ; \
    apt-get clean; \
    # Logs, indexes and caches hold times and inode numbers.
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old \
        /var/cache/ldconfig/aux-cache /var/log/* /tmp/* /etc/machine-id /var/lib/dbus/machine-id
RUN install -d -o redis -g redis /data
USER redis
EXPOSE 6379
CMD ["redis-server", "--bind", "*", "--protected-mode", "no", "--save", "", "--appendonly", "no"]
