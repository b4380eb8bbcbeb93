<?php

declare(strict_types=1);

namespace Magento\Framework\Console;

/**
 * Where commands write; tags such as <info> are dropped.
 */
class Output
{
    public function __construct(private bool $quiet = false)
    {
    }

    public function writeln(string ...$lines): void
    {
        if (!$this->quiet) {
            fwrite(STDOUT, self::plain(implode(PHP_EOL, $lines)) . PHP_EOL);
        }
    }

    public function error(string ...$lines): void
    {
        fwrite(STDERR, self::plain(implode(PHP_EOL, $lines)) . PHP_EOL);
    }

    private static function plain(string $text): string
    {
        return (string) preg_replace('~</?(info|error|comment|question)>~', '', $text);
    }
}
