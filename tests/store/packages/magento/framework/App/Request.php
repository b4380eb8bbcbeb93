<?php

declare(strict_types=1);

namespace Magento\Framework\App;

/**
 * The HTTP request.
 */
class Request
{
    public function getPath(): string
    {
        return trim((string) parse_url((string) ($_SERVER['REQUEST_URI'] ?? '/'), PHP_URL_PATH), '/');
    }

    public function isPost(): bool
    {
        return ($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'POST';
    }

    /**
     * A value of the form or of the query.
     */
    public function getParam(string $name, string $default = ''): string
    {
        $value = $_POST[$name] ?? $_GET[$name] ?? $default;

        return is_string($value) ? $value : $default;
    }

    public function getBaseUrl(): string
    {
        $https = ($_SERVER['HTTPS'] ?? '') === 'on' || ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https';

        return ($https ? 'https' : 'http') . '://' . ($_SERVER['HTTP_HOST'] ?? 'localhost') . '/';
    }
}
