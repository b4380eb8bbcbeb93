# The shop's container of a development system: PHP 8.2 as in the image, Composer, Xdebug,
# a database client. The shop itself is mounted at /app. Rendered by Kiln.
# ---- php: the base with PHP, the extensions that composer.lock asks for, and nginx ----------
FROM localhost:5000/kiln/base:bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS php
# useradd writes the day into /etc/shadow unless it knows another.
ARG SOURCE_DATE_EPOCH
RUN set -eux; \
    began=$(date +%s); \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
        nginx-light \
        php8.2-cli \
        php8.2-fpm \
    ; \
    apt-get clean; \
    # Logs, indexes and caches hold times and inode numbers.
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old \
        /var/cache/ldconfig/aux-cache /var/log/* /tmp/* /etc/machine-id /var/lib/dbus/machine-id; \
    install -d /app; \
    # What is mounted here is no part of a layer.
    find / \( -path /dev -o -path /proc -o -path /sys -o -path /etc/hosts -o -path /etc/resolv.conf \) -prune \
        -o -newermt "@$began" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
WORKDIR /app

# ---- tools: what only the build needs; no part of the image ---------------------------------
FROM php AS tools
RUN set -eux; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
        ca-certificates \
        composer \
        git \
        patch \
        unzip \
    ; \
    apt-get clean; \
    # Logs, indexes and caches hold times and inode numbers.
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old \
        /var/cache/ldconfig/aux-cache /var/log/* /tmp/* /etc/machine-id /var/lib/dbus/machine-id
# Composer 2.5 gives its autoloader a random name; config.json there gives a fixed one.
# Wide enough for Composer and Magento to leave their messages whole.
ENV COLUMNS=500 \
    COMPOSER_ALLOW_SUPERUSER=1 \
    COMPOSER_HOME=/usr/local/lib/kiln/composer \
    COMPOSER_CACHE_DIR=/var/cache/composer
COPY --link --from=src-kiln /build/ /usr/local/lib/kiln/

# ---- packages: what the image holds, for its record; no part of the image ---------------------
FROM php AS versions
RUN --network=none set -eu; \
    mkdir /versions; \
    dpkg-query --show --showformat='${binary:Package}\t${Version}\t${Architecture}\t${source:Package}\n' > /versions/dpkg.tsv; \
    php -n -r 'echo PHP_VERSION;' > /versions/php
FROM scratch AS packages
COPY --from=versions /versions/ /

# ---- web: what only a development system needs ------------------------------------------------
FROM tools AS web
# The stack keeps cache and sessions in Redis, whatever the shop's own systems do.
RUN set -eux; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends \
        less \
        mariadb-client \
        msmtp \
        php8.2-redis \
        php8.2-xdebug \
    ; \
    apt-get clean; \
    # Logs, indexes and caches hold times and inode numbers.
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old \
        /var/cache/ldconfig/aux-cache /var/log/* /tmp/* /etc/machine-id /var/lib/dbus/machine-id
# Xdebug slows all requests, so it is loaded only where PHP_INI_SCAN_DIR names its folder as well.
RUN phpdismod xdebug
COPY --from=src-kiln /development/ /
# Whoever owns the tree runs this container, with any number; this is home to all of them.
RUN install -d -m 1777 /home/developer
ENV HOME=/home/developer \
    COMPOSER_HOME=/home/developer/.composer \
    COMPOSER_CACHE_DIR=/home/developer/.cache/composer \
    MAGE_MODE=developer \
    PATH=/app/bin:/app/vendor/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /app
EXPOSE 8080
ENTRYPOINT ["kiln-development"]
CMD ["web"]
