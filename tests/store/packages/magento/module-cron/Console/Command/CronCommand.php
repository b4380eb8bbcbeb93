<?php

declare(strict_types=1);

namespace Magento\Cron\Console\Command;

use Magento\Cron\Model\Schedule;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * cron:run; does nothing with cron/enabled = 0 in env.php.
 */
class CronCommand extends Command
{
    public const NAME = 'cron:run';
    public const DESCRIPTION = 'Runs jobs by schedule';

    public function __construct(private Schedule $schedule, private DeploymentConfig $deploymentConfig)
    {
    }

    public function options(): array
    {
        return [
            'group' => [null, self::REQUIRED, 'Run jobs only from specified group'],
            'exclude-group' => [null, self::OPTIONAL | self::MANY, 'Exclude jobs from the specified group'],
            'bootstrap' => [null, self::REQUIRED, 'Add or override parameters of the bootstrap'],
        ];
    }

    public function execute(Input $input, Output $output): int
    {
        if (!$this->deploymentConfig->get('cron/enabled', 1)) {
            $output->writeln('Cron is disabled. Jobs were not run.');
            return Cli::RETURN_SUCCESS;
        }
        $group = $input->getOption('group');
        $this->schedule->run($group === null ? [] : [$group], $input->getOption('exclude-group'));
        $output->writeln('Ran jobs by schedule.');

        return Cli::RETURN_SUCCESS;
    }
}
