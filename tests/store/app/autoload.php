<?php

/**
 * Finds Composer's autoloader through app/etc/vendor_path.php, as Magento does.
 *
 * Source of the behaviour and of the messages: Magento 2.4.7, app/autoload.php.
 */

declare(strict_types=1);

define('BP', dirname(__DIR__));

$vendorDir = require BP . '/app/etc/vendor_path.php';
$autoload = BP . '/' . $vendorDir . '/autoload.php';

if (!is_readable($autoload)) {
    throw new Exception(
        "Vendor autoload is not found. Please run 'composer install' under application root directory."
    );
}

require_once $autoload;
