<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

use Magento\Framework\DB\Connection;

/**
 * Queue in the tables of Magento_MysqlMq, with its status numbers.
 */
class DbQueue implements QueueInterface
{
    private const NEW = 2;
    private const IN_PROGRESS = 3;
    private const COMPLETE = 4;
    private const RETRY = 5;
    private const ERROR = 6;

    public function __construct(private Connection $connection)
    {
    }

    public function push(string $queue, string $topic, string $body): void
    {
        $this->connection->query('INSERT IGNORE INTO {queue} (name) VALUES (?)', [$queue]);
        $id = $this->connection->insert('queue_message', ['topic_name' => $topic, 'body' => $body]);
        $this->connection->query(
            'INSERT INTO {queue_message_status} (queue_id, message_id, status)'
            . ' SELECT id, ?, ? FROM {queue} WHERE name = ?',
            [$id, self::NEW, $queue]
        );
    }

    public function dequeue(string $queue): ?Message
    {
        do {
            $row = $this->connection->fetchAll(
                'SELECT s.id, m.id message, m.body FROM {queue_message_status} s JOIN {queue} q ON q.id = s.queue_id'
                . ' JOIN {queue_message} m ON m.id = s.message_id WHERE q.name = ? AND s.status IN (?, ?)'
                . ' ORDER BY s.updated_at, s.id LIMIT 1',
                [$queue, self::NEW, self::RETRY]
            )[0] ?? null;
            if ($row === null) {
                return null;
            }
            $taken = $this->connection->query(
                'UPDATE {queue_message_status} SET status = ? WHERE id = ? AND status IN (?, ?)',
                [self::IN_PROGRESS, $row['id'], self::NEW, self::RETRY]
            )->rowCount();
        } while ($taken === 0);

        return new Message("db:{$row['message']}", $row['body'], $row['id']);
    }

    public function acknowledge(string $queue, Message $message): void
    {
        $this->setStatus($message, self::COMPLETE);
    }

    public function reject(string $queue, Message $message, bool $requeue): void
    {
        $this->setStatus($message, $requeue ? self::RETRY : self::ERROR);
    }

    private function setStatus(Message $message, int $status): void
    {
        $this->connection->query('UPDATE {queue_message_status} SET status = ? WHERE id = ?', [$status, $message->tag]);
    }
}
