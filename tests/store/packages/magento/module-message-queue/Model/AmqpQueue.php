<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

use Magento\Framework\App\DeploymentConfig;

/**
 * Queue of RabbitMQ through ext-amqp; reads the parent array queue/amqp of env.php, as Magento does.
 */
class AmqpQueue implements QueueInterface
{
    private ?\AMQPChannel $channel = null;

    /** @var array<string, \AMQPQueue> */
    private array $queues = [];

    public function __construct(private DeploymentConfig $deploymentConfig)
    {
    }

    /**
     * Whether env.php names a host and PHP can reach it.
     */
    public function isConfigured(): bool
    {
        return !empty(((array) $this->deploymentConfig->get('queue/amqp', []))['host']) && extension_loaded('amqp');
    }

    public function push(string $queue, string $topic, string $body): void
    {
        $this->queue($queue);
        (new \AMQPExchange($this->channel()))->publish($body, $queue, AMQP_NOPARAM, [
            'delivery_mode' => 2,
            'message_id' => bin2hex(random_bytes(16)),
        ]);
    }

    public function dequeue(string $queue): ?Message
    {
        $envelope = $this->queue($queue)->get();

        return $envelope ? new Message(
            'amqp:' . $envelope->getMessageId(),
            $envelope->getBody(),
            $envelope->getDeliveryTag()
        ) : null;
    }

    public function acknowledge(string $queue, Message $message): void
    {
        $this->queue($queue)->ack($message->tag);
    }

    public function reject(string $queue, Message $message, bool $requeue): void
    {
        $this->queue($queue)->reject($message->tag, $requeue ? AMQP_REQUEUE : AMQP_NOPARAM);
    }

    private function queue(string $name): \AMQPQueue
    {
        if (!isset($this->queues[$name])) {
            $queue = new \AMQPQueue($this->channel());
            $queue->setName($name);
            $queue->setFlags(AMQP_DURABLE);
            $queue->declareQueue();
            $this->queues[$name] = $queue;
        }

        return $this->queues[$name];
    }

    private function channel(): \AMQPChannel
    {
        if ($this->channel === null) {
            $config = (array) $this->deploymentConfig->get('queue/amqp', []);
            $connection = new \AMQPConnection([
                'host' => $config['host'],
                'port' => (int) ($config['port'] ?? 5672),
                'login' => $config['user'] ?? 'guest',
                'password' => $config['password'] ?? 'guest',
                'vhost' => ($config['virtualhost'] ?? '') ?: '/',
                'connect_timeout' => 5,
            ]);
            $connection->connect();
            $this->channel = new \AMQPChannel($connection);
            $this->channel->setPrefetchCount(1);
        }

        return $this->channel;
    }
}
