# The message queue of a development system: Debian's RabbitMQ with its web page. Rendered by Kiln.
FROM localhost:5000/kiln/base:bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS queue
RUN set -eux; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
        rabbitmq-server \
    ; \
    apt-get clean; \
    # Logs, indexes and caches hold times and inode numbers.
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old \
        /var/cache/ldconfig/aux-cache /var/log/* /tmp/* /etc/machine-id /var/lib/dbus/machine-id
# A cookie of the build would be the same secret on every machine.
RUN rm -rf /var/lib/rabbitmq/.erlang.cookie /var/lib/rabbitmq/mnesia
COPY --from=src-kiln / /
EXPOSE 5672 15672
ENTRYPOINT ["kiln-queue"]
