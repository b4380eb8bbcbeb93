<?php

/**
 * Registers the components of app/code, app/design and app/i18n. Composer loads this file ("files" in composer.json).
 *
 * Source of the behaviour: Magento 2.4.7, app/etc/NonComposerComponentRegistration.php.
 */

declare(strict_types=1);

(static function (): void {
    $root = dirname(__DIR__, 2) . '/';
    foreach (require __DIR__ . '/registration_globlist.php' as $pattern) {
        foreach (glob($root . $pattern) ?: [] as $file) {
            require_once $file;
        }
    }
})();
