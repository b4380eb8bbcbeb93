<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\DB\Connection;
use Magento\Framework\ObjectManager\ObjectManagerInterface;

/**
 * Takes messages one by one. Each is handled once: the handler's work and the row in queue_lock are one transaction.
 *
 * Waits for messages while queue/consumers_wait_for_messages is the number 1, as it is by default (a "1" from
 * MAGENTO_DC_* is not), and ends at a new poison pill. SIGTERM has no handler (magento2#28870): as process 1 of a
 * container the consumer does not see it, else it dies between two statements.
 *
 * Source: Magento 2.4.7, Magento\Framework\MessageQueue\CallbackInvoker.
 */
class Consumer
{
    public function __construct(
        private Config $config,
        private PoisonPill $poisonPill,
        private Connection $connection,
        private DeploymentConfig $deploymentConfig,
        private ObjectManagerInterface $objectManager
    ) {
    }

    public function process(string $name, ?int $maxMessages): void
    {
        $consumer = $this->config->getConsumer($name);
        $queue = $this->config->getQueue($consumer['connection']);
        $handler = $this->objectManager->create($consumer['handler']);
        $pill = $this->poisonPill->getLatestVersion();
        $wait = $this->deploymentConfig->get('queue/consumers_wait_for_messages', 1) === 1;
        for ($left = $maxMessages ?? PHP_INT_MAX; $left > 0; $left--) {
            while (($message = $queue->dequeue($consumer['queue'])) === null) {
                if (!$wait || $pill !== $this->poisonPill->getLatestVersion()) {
                    return;
                }
                sleep(1);
            }
            if ($pill !== $this->poisonPill->getLatestVersion()) {
                $queue->reject($consumer['queue'], $message, true);
                return;
            }
            $this->handle($name, $queue, $consumer['queue'], $message, $handler);
        }
    }

    private function handle(
        string $name,
        QueueInterface $queue,
        string $queueName,
        Message $message,
        HandlerInterface $handler
    ): void {
        try {
            $this->connection->transaction(function () use ($name, $message, $handler): void {
                $this->connection->insert('queue_lock', ['message_code' => md5("$name-$message->id")]);
                $handler->process($message->body);
            });
        } catch (\PDOException $e) {
            if ((string) $e->getCode() !== '23000') {
                $queue->reject($queueName, $message, true);
                throw $e;
            }
        } catch (\Throwable $e) {
            $queue->reject($queueName, $message, false);
            return;
        }
        $queue->acknowledge($queueName, $message);
    }
}
