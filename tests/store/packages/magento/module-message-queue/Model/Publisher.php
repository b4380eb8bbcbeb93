<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

/**
 * Publishes a message to the queues of its topic.
 */
class Publisher
{
    public function __construct(private Config $config)
    {
    }

    public function publish(string $topic, string $body): void
    {
        foreach ($this->config->getQueuesOfTopic($topic) as $queue => $connection) {
            $this->config->getQueue($connection)->push($queue, $topic, $body);
        }
    }

    /**
     * Whether a topic's messages go to the database, and so belong into the caller's transaction.
     */
    public function isTransactional(string $topic): bool
    {
        foreach ($this->config->getQueuesOfTopic($topic) as $connection) {
            if (!$this->config->getQueue($connection) instanceof DbQueue) {
                return false;
            }
        }

        return true;
    }
}
