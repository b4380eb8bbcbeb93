<?php

/**
 * Router for PHP's own web server: php -S 127.0.0.1:8080 -t pub phpserver/router.php
 *
 * Does what nginx does for Magento: strips version<N> of /static, serves files, and hands the rest to PHP.
 */

declare(strict_types=1);

$path = rawurldecode((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
$pub = dirname(__DIR__) . '/pub';
$types = [
    'css' => 'text/css', 'js' => 'application/javascript', 'json' => 'application/json', 'svg' => 'image/svg+xml',
    'html' => 'text/html', 'gif' => 'image/gif', 'png' => 'image/png',
];

if (preg_match('~^/static/(?:version\d+/)?(.+)$~', $path, $match) && !str_contains($path, '..')) {
    $file = "$pub/static/$match[1]";
    if (is_file($file)) {
        header('Content-Type: ' . ($types[pathinfo($file, PATHINFO_EXTENSION)] ?? 'application/octet-stream'));
        readfile($file);
        return;
    }
    $_GET['resource'] = $match[1];
    require "$pub/static.php";
    return;
}
if (preg_match('~^/media/(.+)$~', $path, $match)) {
    $_GET['path'] = $match[1];
    require "$pub/get.php";
    return;
}
if (preg_match('~^/(health_check|static|get|cron)\.php$~', $path, $match)) {
    require "$pub/$match[1].php";
    return;
}
require "$pub/index.php";
