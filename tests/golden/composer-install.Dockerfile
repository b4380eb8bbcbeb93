# sample: Magento 2.4.7-p3 (community) on PHP 8.2.
# Rendered by Kiln from kiln.yaml and the tree; `kiln render` prints it, editing it changes nothing.
#
#   php -> tools -> vendor -> code -> sources -> compiled, and beside it
#                                             -> view -> static-* (side by side) -> shared
#   php + vendor + code + view + compiled + static-* + shared  =  runtime, the image
#
# The contexts named src-* are the tree's files,
# sorted by the stages that read them: a stage runs again only when its own files change.

# ---- php: the base with PHP, the extensions that composer.lock asks for, and nginx ----------
FROM localhost:5000/kiln/base:bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS php
# useradd writes the day into /etc/shadow unless it knows another.
ARG SOURCE_DATE_EPOCH
RUN set -eux; \
    began=$(date +%s); \
    export DEBIAN_FRONTEND=noninteractive; \
    . /etc/os-release; \
    rm -f /etc/apt/sources.list.d/*; \
    # A snapshot's Release file has expired by design.
    echo "deb [check-valid-until=no] http://mirror.example/debian/20261101T000000Z $VERSION_CODENAME main" > /etc/apt/sources.list; \
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
    . /etc/os-release; \
    rm -f /etc/apt/sources.list.d/*; \
    # A snapshot's Release file has expired by design.
    echo "deb [check-valid-until=no] http://mirror.example/debian/20261101T000000Z $VERSION_CODENAME main" > /etc/apt/sources.list; \
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

# ---- vendor: the packages of composer.lock, without those for development -------------------
FROM tools AS vendor
# In each context the tree's files lie below /app, and /1577836800, their time, is a link to it.
# BuildKit takes the copy of a folder from the cache where content and last name are the same, with
# the times that it had then. Where times are kept, the last name is therefore the files' time.
COPY --from=src-composer / /
# Credentials are mounted as Composer's own auth.json and are part of no layer.
RUN --mount=type=secret,id=ca_bundle,required=true,target=/run/secrets/ca_bundle --mount=type=cache,id=kiln-composer,target=/var/cache/composer,sharing=locked \
    --mount=type=secret,id=composer_auth,required=true,target=/usr/local/lib/kiln/composer/auth.json \
    set -eu; export SSL_CERT_FILE=/run/secrets/ca_bundle CURL_CA_BUNDLE=/run/secrets/ca_bundle NODE_EXTRA_CA_CERTS=/run/secrets/ca_bundle; \
    composer install --no-dev --no-interaction --no-progress; \
    # What the list of excluded paths keeps out of a vendor/ that comes with the tree.
    php /usr/local/lib/kiln/remove-excluded.php /app; \
    /usr/local/lib/kiln/fix-times /app

# ---- code: the shop's own PHP and XML -------------------------------------------------------
FROM vendor AS code
COPY --from=src-code /1577836800/ /app/

# ---- sources: the code as the generators read it; no part of the image ------------------------
FROM code AS sources
RUN --network=none set -eu; \
    mkdir -p var generated pub/static; \
    /usr/local/lib/kiln/sort-globs /app

# ---- compiled: dependency injection; PHP and XML only, no network, no database --------------
FROM sources AS compiled
# dump-autoload comes after compilation, or the class map lacks generated/ (magento2#40174). The
# env.php that compilation leaves behind holds nothing but a cache flag.
RUN --network=none --mount=type=cache,id=kiln-slots,target=/run/kiln-slots set -eu; \
    /usr/local/lib/kiln/in-slot /usr/local/lib/kiln/magento setup:di:compile; \
    composer dump-autoload --no-dev --optimize --no-plugins --no-scripts --no-interaction; \
    rm -rf app/etc/env.php var/*; \
    /usr/local/lib/kiln/collect autoload vendor/autoload.php vendor/composer; \
    /usr/local/lib/kiln/collect generated generated

# ---- view: styles, scripts, images and translations join the code -----------------------------
# Beside compilation, not after it: what is deployed is the same, and both take a core each.
FROM sources AS view
COPY --from=src-view /1577836800/ /app/
# What every deployment begins with is done once, and left to the stages below in var/cache and
# generated/: the merged configuration, and the classes that uncompiled code makes for itself.
# For the one locale that every Magento has: another locale in kiln.yaml does not do this again.
RUN --network=none set -eu; \
    cp /usr/local/lib/kiln/caches.php app/etc/env.php; \
    /usr/local/lib/kiln/magento setup:static-content:deploy \
        --force --jobs=1 --content-version=0 \
        --no-javascript --no-js-bundle --no-css --no-less --no-images --no-fonts --no-html --no-misc --no-html-minify \
        --area=frontend --theme=Magento/luma en_US; \
    rm -rf pub/static/* var/view_preprocessed

# ---- static-*: side by side, no network, no database ------------------------------------------
# BuildKit starts them all at once; `in-slot` lets as many run as there are cores. The content
# version is written at the end: were it given here, any change would deploy all themes again.
# Each gets the shop's own files of its area and of its chain of themes alone, so that no other runs
# again with it.
FROM view AS static-frontend.magento.luma-en_us
RUN --network=none --mount=type=cache,id=kiln-slots,target=/run/kiln-slots \
    # Magento writes each file aside, renames it and sets its mode: half of the time on a disk.
    --mount=type=tmpfs,target=/app/pub/static --mount=type=tmpfs,target=/app/var/view_preprocessed \
    set -eu; \
    /usr/local/lib/kiln/in-slot /usr/local/lib/kiln/magento setup:static-content:deploy \
        --force --jobs=1 --strategy=quick --content-version=0 \
        --area=frontend --theme=Magento/luma --no-parent en_US; \
    rm -f pub/static/deployed_version.txt pub/static/.htaccess; \
    /usr/local/lib/kiln/collect static pub/static/frontend/Magento/luma/en_US/

# ---- finish: what is small and changes with every build -------------------------------------
# A stage of its own, so that the image is put together from layers alone: a RUN in the image's
# stage would make BuildKit lay out all of its files first.
FROM tools AS finish
ARG CONTENT_VERSION
RUN --network=none set -eu; \
    install -d /finish/app/pub/static /finish/etc/nginx; \
    printf %s "$CONTENT_VERSION" > /finish/app/pub/static/deployed_version.txt; \
    printf 'map "" $kiln_content_version { default "%s"; }\n' "$CONTENT_VERSION" \
        > /finish/etc/nginx/kiln-content-version.conf; \
    # The folders that are written at run time; all else is root's. A tmpfs over a folder takes the folder's
    # mode, whatever mode it is given, in runc before 1.1.10 (opencontainers/runc 9af462e).
    cd /finish/app; \
    install -d -m 1777 -o www-data -g www-data pub/media pub/static/_cache var; \
    /usr/local/lib/kiln/fix-times /finish

# ---- runtime: the image; layers from the one that changes least to the one that changes most -
FROM php AS runtime
ENV MAGE_MODE=production \
    PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --link --from=src-kiln /runtime/ /
COPY --link --from=vendor /1577836800/ /app/
COPY --link --from=src-code /1577836800/ /app/
COPY --link --from=src-view /1577836800/ /app/
COPY --link --from=src-template /1577836800/ /app/
COPY --link --from=compiled /out/autoload/1577836800/ /
COPY --link --from=compiled /out/generated/1577836800/ /
COPY --link --from=static-frontend.magento.luma-en_us /out/static/1577836800/ /
COPY --link --from=finish /finish/ /
ARG CONTENT_VERSION
LABEL org.opencontainers.image.title="sample" \
      org.opencontainers.image.version="$CONTENT_VERSION" \
      org.opencontainers.image.base.name="localhost:5000/kiln/base:bookworm" \
      org.opencontainers.image.base.digest="sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
      io.kiln.magento.edition="community" \
      io.kiln.magento.version="2.4.7-p3" \
      io.kiln.php.version="8.2" \
      # It has what pods call: kiln-warm, and the role "cron once".
      io.kiln.pods=1 \
      io.kiln.writable="/tmp /app/pub/media /app/pub/static/_cache /app/var"
USER www-data
EXPOSE 8080
# The liveness path asks php-fpm alone: no database, no cache.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["kiln-health"]
STOPSIGNAL SIGQUIT
ENTRYPOINT ["kiln-entrypoint"]
CMD ["web"]
