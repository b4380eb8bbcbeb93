<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

use Magento\Framework\Module\ModuleList;

/**
 * Consumers of queue_consumer.xml and topics of queue_topology.xml.
 */
class Config
{
    public function __construct(private ModuleList $moduleList, private DbQueue $dbQueue, private AmqpQueue $amqpQueue)
    {
    }

    /**
     * @return array<string, array{queue: string, handler: string, connection: string}>
     */
    public function getConsumers(): array
    {
        $consumers = [];
        foreach ($this->moduleList->getConfigFiles('queue_consumer.xml') as $file) {
            foreach (simplexml_load_string((string) file_get_contents($file))->consumer ?? [] as $consumer) {
                $consumers[(string) $consumer['name']] = [
                    'queue' => (string) $consumer['queue'],
                    'handler' => explode('::', (string) $consumer['handler'])[0],
                    'connection' => (string) $consumer['connection'],
                ];
            }
        }

        return $consumers;
    }

    /**
     * @return array{queue: string, handler: string, connection: string}
     */
    public function getConsumer(string $name): array
    {
        return $this->getConsumers()[$name]
            ?? throw new \LogicException("Consumer '$name' is not declared.");
    }

    /**
     * Queues that a topic is bound to, with their connection.
     *
     * @return array<string, string>
     */
    public function getQueuesOfTopic(string $topic): array
    {
        $queues = [];
        foreach ($this->moduleList->getConfigFiles('queue_topology.xml') as $file) {
            foreach (simplexml_load_string((string) file_get_contents($file))->exchange ?? [] as $exchange) {
                foreach ($exchange->binding as $binding) {
                    if ((string) $binding['topic'] === $topic) {
                        $queues[(string) $binding['destination']] = (string) $exchange['connection'];
                    }
                }
            }
        }

        return $queues;
    }

    /**
     * The queue behind a connection's name; without a name RabbitMQ if it is configured, else the database.
     */
    public function getQueue(string $connection): QueueInterface
    {
        return $connection === 'amqp' || ($connection === '' && $this->amqpQueue->isConfigured())
            ? $this->amqpQueue
            : $this->dbQueue;
    }
}
