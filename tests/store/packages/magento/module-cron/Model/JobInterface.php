<?php

declare(strict_types=1);

namespace Magento\Cron\Model;

/**
 * A scheduled job. Magento takes any method; the miniature's jobs implement this.
 */
interface JobInterface
{
    /**
     * @param int $scheduleId row of cron_schedule
     */
    public function execute(int $scheduleId): void;
}
