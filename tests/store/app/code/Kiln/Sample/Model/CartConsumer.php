<?php

declare(strict_types=1);

namespace Kiln\Sample\Model;

use Magento\Framework\DB\Connection;
use Magento\MessageQueue\Model\HandlerInterface;

/**
 * Writes a row for each message: tests count lost and double ones.
 */
class CartConsumer implements HandlerInterface
{
    public function __construct(private Connection $connection)
    {
    }

    public function process(string $body): void
    {
        $this->connection->insert('kiln_sample_message', [
            'request_id' => json_decode($body, true)['request_id'],
            'host' => gethostname(),
            'pid' => getmypid(),
        ]);
    }
}
