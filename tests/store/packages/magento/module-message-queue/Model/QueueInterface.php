<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

/**
 * A queue of the database or of RabbitMQ.
 */
interface QueueInterface
{
    public function push(string $queue, string $topic, string $body): void;

    public function dequeue(string $queue): ?Message;

    public function acknowledge(string $queue, Message $message): void;

    /**
     * Puts a message back, or gives it up.
     */
    public function reject(string $queue, Message $message, bool $requeue): void;
}
