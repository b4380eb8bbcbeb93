<?php

declare(strict_types=1);

namespace Kiln\Sample\Cron;

use Magento\Cron\Model\JobInterface;
use Magento\Framework\App\Config;
use Magento\Framework\DB\Connection;

/**
 * Writes a row for each run, and sleeps kiln/sample/cron_sleep_ms in between: tests count lost and double runs.
 */
class Tick implements JobInterface
{
    public function __construct(private Connection $connection, private Config $config)
    {
    }

    public function execute(int $scheduleId): void
    {
        $id = $this->connection->insert('kiln_sample_tick', [
            'schedule_id' => $scheduleId,
            'started_at' => date('Y-m-d H:i:s'),
            'host' => gethostname(),
            'pid' => getmypid(),
        ]);
        usleep(1000 * (int) $this->config->getValue('kiln/sample/cron_sleep_ms'));
        $this->connection->query(
            'UPDATE {kiln_sample_tick} SET finished_at = ? WHERE tick_id = ?',
            [date('Y-m-d H:i:s'), $id]
        );
    }
}
