<?php

/**
 * Sets PHP up for every entry point. Source: Magento 2.4.7, app/bootstrap.php.
 */

declare(strict_types=1);

error_reporting(E_ALL);

if (PHP_VERSION_ID < 80100) {
    http_response_code(503);
    echo 'Magento supports PHP 8.1.0 or later.';
    exit(1);
}

require_once __DIR__ . '/autoload.php';

umask(is_file(BP . '/magento_umask') ? (int) octdec(trim((string) file_get_contents(BP . '/magento_umask'))) : 0002);
date_default_timezone_set('UTC');
