# The proxy in front of a shop: Debian's HAProxy. It is the keeper's image as well. Rendered by Kiln.
FROM localhost:5000/kiln/base:bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS proxy
# A fixed number, so that files can be given to it before it runs: its certificate's key.
RUN groupadd --system --gid 200 haproxy \
    && useradd --system --uid 200 --gid haproxy --home-dir /nonexistent --shell /usr/sbin/nologin haproxy
RUN set -eux; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
        haproxy \
        socat \
    ; \
    apt-get clean; \
    # Logs, indexes and caches hold times and inode numbers.
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old \
        /var/cache/ldconfig/aux-cache /var/log/* /tmp/* /etc/machine-id /var/lib/dbus/machine-id
# A tmpfs over a folder takes the folder's mode, whatever mode it is given, in runc before 1.1.10
# (opencontainers/runc 9af462e).
RUN install -d -m 1777 /run/haproxy /proxy
COPY --from=src-kiln / /
USER haproxy
EXPOSE 8080 8443
# Stop listening, finish what is being served.
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-W", "-S", "/run/haproxy/master.sock,mode,600", "-f", "/proxy/haproxy.cfg"]
