<?php

declare(strict_types=1);

namespace Magento\Framework\App;

/**
 * The HTTP response.
 */
class Response
{
    public function __construct(
        public readonly string $body = '',
        public readonly int $status = 200,
        public readonly string $type = 'text/html; charset=UTF-8'
    ) {
    }

    /**
     * @param array<string, mixed> $data
     */
    public static function json(array $data, int $status = 200): self
    {
        return new self(json_encode($data, JSON_UNESCAPED_SLASHES) . "\n", $status, 'application/json');
    }

    public function send(): void
    {
        http_response_code($this->status);
        header('Content-Type: ' . $this->type);
        header('Cache-Control: no-store');
        echo $this->body;
    }
}
