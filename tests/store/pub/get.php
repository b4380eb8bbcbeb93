<?php

/**
 * Serves a file of pub/media where the web server did not find it; only below pub/media.
 */

declare(strict_types=1);

$media = __DIR__ . '/media';
$path = rawurldecode((string) parse_url($_SERVER['REQUEST_URI'] ?? '', PHP_URL_PATH));
$name = (string) ($_GET['path'] ?? preg_replace('~^/media/~', '', $path));
$file = realpath("$media/$name");

if ($file === false || !str_starts_with($file, "$media/") || !is_file($file) || str_starts_with(basename($file), '.')) {
    http_response_code(404);
    exit;
}
header('Content-Type: ' . (mime_content_type($file) ?: 'application/octet-stream'));
readfile($file);
