<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

use Magento\Framework\DB\Connection;

/**
 * Version in queue_poison_pill: consumers that started with another one end before the next message.
 */
class PoisonPill
{
    public function __construct(private Connection $connection)
    {
    }

    public function put(): void
    {
        $this->connection->query('DELETE FROM {queue_poison_pill}');
        $this->connection->insert('queue_poison_pill', ['version' => uniqid('version-', true)]);
    }

    public function getLatestVersion(): string
    {
        return (string) $this->connection->fetchOne('SELECT version FROM {queue_poison_pill} LIMIT 1');
    }
}
