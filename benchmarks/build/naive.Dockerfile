# The Dockerfile that most shops write: one stage, everything copied, then built in place.
ARG TOOLS
FROM ${TOOLS}
ENV MAGE_MODE=production
WORKDIR /app
COPY . .
RUN composer install --no-dev --no-interaction
RUN php bin/magento setup:di:compile
# What to deploy, one call a line of options; most shops have a single one.
ARG DEPLOY
RUN set -eu; printf '%s\n' "$DEPLOY" | while read -r options; do \
        php bin/magento setup:static-content:deploy --force --jobs=2 $options; \
    done
