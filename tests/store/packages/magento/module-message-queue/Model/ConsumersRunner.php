<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

use Magento\Cron\Model\JobInterface;
use Magento\Framework\App\DeploymentConfig;

/**
 * Cron job that starts every consumer in the background, unless cron_consumers_runner/cron_run is 0 in env.php.
 */
class ConsumersRunner implements JobInterface
{
    public function __construct(private Config $config, private DeploymentConfig $deploymentConfig)
    {
    }

    public function execute(int $scheduleId): void
    {
        if (!$this->deploymentConfig->get('cron_consumers_runner/cron_run', true)) {
            return;
        }
        $max = (int) $this->deploymentConfig->get('cron_consumers_runner/max_messages', 10000);
        $allowed = (array) $this->deploymentConfig->get('cron_consumers_runner/consumers', []);
        foreach (array_keys($this->config->getConsumers()) as $name) {
            if (!$allowed || in_array($name, $allowed, true)) {
                $command = [PHP_BINARY, BP . '/bin/magento', 'queue:consumers:start', $name, '--single-thread'];
                $command[] = "--max-messages=$max";
                exec(implode(' ', array_map('escapeshellarg', $command)) . ' > /dev/null 2>&1 &');
            }
        }
    }
}
