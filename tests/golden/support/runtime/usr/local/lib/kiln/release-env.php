<?php
/**
 * The release's env.php with caches that are this container's own: see kiln-release.
 */

return (static function (): array {
    $env = include '/app/app/etc/env.php';
    unset($env['cache']['frontend']);
    // setup:upgrade would have Varnish forget all pages while the old release serves.
    $_ENV['CONFIG__DEFAULT__SYSTEM__FULL_PAGE_CACHE__CACHING_APPLICATION'] = '1';

    return $env;
})();
