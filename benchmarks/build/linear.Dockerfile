# Magento's own pipeline, one step after the other, each with its best options; the result goes into
# an image without the tools of the build.
ARG PHP
ARG TOOLS
FROM ${TOOLS} AS build
ENV MAGE_MODE=production
WORKDIR /app
COPY . .
RUN composer install --no-dev --no-interaction --no-progress
RUN php bin/magento setup:di:compile
RUN composer dump-autoload --no-dev --optimize --no-interaction
# What to deploy, one call a line of options, so that no theme is deployed in a locale it does not have.
ARG DEPLOY
ARG CONTENT_VERSION
RUN set -eu; printf '%s\n' "$DEPLOY" | while read -r options; do \
        php bin/magento setup:static-content:deploy --force --jobs="$(nproc)" --strategy=quick \
            --no-parent --content-version="$CONTENT_VERSION" $options; \
    done; \
    rm -rf var/* app/etc/env.php

FROM ${PHP}
ENV MAGE_MODE=production
WORKDIR /app
COPY --from=build /app /app
