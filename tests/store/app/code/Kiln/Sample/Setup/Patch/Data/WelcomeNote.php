<?php

declare(strict_types=1);

namespace Kiln\Sample\Setup\Patch\Data;

use Magento\Framework\DB\Connection;
use Magento\Framework\Setup\Patch\PatchInterface;

/**
 * Writes one row; a second row would mean that the patch ran twice.
 */
class WelcomeNote implements PatchInterface
{
    public function __construct(private Connection $connection)
    {
    }

    public static function getDependencies(): array
    {
        return [];
    }

    public function apply(): void
    {
        $this->connection->insert('kiln_sample_note', ['text' => 'Welcome']);
    }
}
