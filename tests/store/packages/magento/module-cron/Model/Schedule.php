<?php

declare(strict_types=1);

namespace Magento\Cron\Model;

use Magento\Framework\DB\Connection;
use Magento\Framework\Module\ModuleList;
use Magento\Framework\ObjectManager\ObjectManagerInterface;

/**
 * Plans and runs the jobs of the modules' crontab.xml.
 *
 * Each row of cron_schedule runs once: a runner owns it when its conditional UPDATE from pending to running hits.
 * Rows are planned under a lock, one for each job and minute. A job does not start while another process holds its
 * lock, which ends with that process's connection; the row of a process that died becomes "error".
 *
 * Source: Magento 2.4.7, Magento\Cron\Observer\ProcessCronQueueObserver and Magento\Cron\Model\ResourceModel\Schedule.
 */
class Schedule
{
    private const AHEAD_MINUTES = 2;
    private const LIFETIME_MINUTES = 15;

    public function __construct(
        private Connection $connection,
        private ModuleList $moduleList,
        private ObjectManagerInterface $objectManager
    ) {
    }

    /**
     * @param string[] $only groups to run; empty: all
     * @param string[] $except groups to leave out
     */
    public function run(array $only, array $except): void
    {
        foreach ($this->jobs() as $group => $jobs) {
            if (in_array($group, $except, true) || ($only && !in_array($group, $only, true))) {
                continue;
            }
            $this->plan($group, $jobs);
            $this->runPending($jobs);
        }
    }

    /**
     * @return array<string, array<string, array{instance: string, schedule: string}>> jobs by group and code
     */
    private function jobs(): array
    {
        $groups = [];
        foreach ($this->moduleList->getConfigFiles('crontab.xml') as $file) {
            $xml = simplexml_load_string((string) file_get_contents($file));
            foreach ($xml->group ?? [] as $group) {
                foreach ($group->job as $job) {
                    $groups[(string) $group['id']][(string) $job['name']] = [
                        'instance' => (string) $job['instance'],
                        'schedule' => trim((string) $job->schedule),
                    ];
                }
            }
        }

        return $groups;
    }

    /**
     * @param array<string, array{instance: string, schedule: string}> $jobs
     */
    private function plan(string $group, array $jobs): void
    {
        if (!$this->connection->lock("CRON_$group", 10)) {
            return;
        }
        try {
            $this->connection->query(
                "UPDATE {cron_schedule} SET status = 'missed', messages = 'Too late for the schedule'"
                . " WHERE status = 'pending' AND scheduled_at < NOW() - INTERVAL " . self::LIFETIME_MINUTES . ' MINUTE'
            );
            $now = intdiv(time(), 60) * 60;
            foreach ($jobs as $code => $job) {
                for ($time = $now; $time < $now + 60 * self::AHEAD_MINUTES; $time += 60) {
                    $at = date('Y-m-d H:i:s', $time);
                    $planned = $this->connection->fetchOne(
                        'SELECT 1 FROM {cron_schedule} WHERE job_code = ? AND scheduled_at = ?',
                        [$code, $at]
                    );
                    if (!$planned && self::isDue($job['schedule'], $time)) {
                        $this->connection->insert('cron_schedule', ['job_code' => $code, 'scheduled_at' => $at]);
                    }
                }
            }
        } finally {
            $this->connection->unlock("CRON_$group");
        }
    }

    /**
     * @param array<string, array{instance: string, schedule: string}> $jobs
     */
    private function runPending(array $jobs): void
    {
        $rows = $this->connection->fetchAll(
            "SELECT schedule_id, job_code FROM {cron_schedule} WHERE status = 'pending' AND scheduled_at <= NOW()"
            . ' ORDER BY scheduled_at, schedule_id'
        );
        foreach ($rows as ['schedule_id' => $id, 'job_code' => $code]) {
            if (isset($jobs[$code]) && $this->connection->lock("CRON_JOB_$code")) {
                $this->own((int) $id, $code) && $this->runJob((int) $id, $jobs[$code]['instance']);
                $this->connection->unlock("CRON_JOB_$code");
            }
        }
    }

    private function runJob(int $id, string $instance): void
    {
        try {
            $this->objectManager->create($instance)->execute($id);
            $this->finish($id, 'success', null);
        } catch (\Throwable $e) {
            $this->finish($id, 'error', $e->getMessage());
        }
    }

    /**
     * Who holds the job's lock knows that a row of the job that is still "running" belongs to a dead process.
     */
    private function own(int $id, string $code): bool
    {
        $this->connection->query(
            "UPDATE {cron_schedule} SET status = 'error' WHERE job_code = ? AND status = 'running'",
            [$code]
        );

        return $this->connection->query(
            "UPDATE {cron_schedule} SET status = 'running', executed_at = NOW()"
            . " WHERE schedule_id = ? AND status = 'pending'",
            [$id]
        )->rowCount() > 0;
    }

    private function finish(int $id, string $status, ?string $message): void
    {
        $this->connection->query(
            'UPDATE {cron_schedule} SET status = ?, messages = ?, finished_at = NOW() WHERE schedule_id = ?',
            [$status, $message, $id]
        );
    }

    /**
     * Whether a cron expression (numbers, lists, ranges, steps) matches a time.
     */
    private static function isDue(string $expression, int $time): bool
    {
        $fields = preg_split('/\s+/', $expression) ?: [];
        foreach (explode(' ', date('i G j n w', $time)) as $i => $now) {
            if (!self::matches($fields[$i] ?? '*', (int) $now)) {
                return false;
            }
        }

        return true;
    }

    private static function matches(string $field, int $now): bool
    {
        foreach (explode(',', $field) as $part) {
            [$range, $step] = explode('/', $part, 2) + [1 => '1'];
            [$from, $to] = $range === '*' ? [0, 59] : explode('-', $range, 2) + [1 => $range];
            if ($now >= (int) $from && $now <= (int) $to && ($now - (int) $from) % (int) $step === 0) {
                return true;
            }
        }

        return false;
    }
}
