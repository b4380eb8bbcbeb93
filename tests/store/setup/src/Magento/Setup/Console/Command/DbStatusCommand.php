<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Setup\Model\Installer;

/**
 * setup:db:status: 0 up to date, 1 not installed, 2 an upgrade is needed.
 */
class DbStatusCommand extends Command
{
    public const NAME = 'setup:db:status';
    public const DESCRIPTION = 'Checks if DB schema or data requires upgrade';
    private const UPGRADE_REQUIRED = 2;

    public function __construct(private Installer $installer, private DeploymentConfig $deploymentConfig)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        if (!$this->deploymentConfig->isAvailable()) {
            $output->writeln('No information is available: the Magento application is not installed.');
            return Cli::RETURN_FAILURE;
        }
        $differences = $this->installer->getDifferences();
        if ($differences) {
            $output->writeln(...$differences, ...["Run 'setup:upgrade' to update your DB schema and data."]);
            return self::UPGRADE_REQUIRED;
        }
        $output->writeln('All modules are up to date.');

        return Cli::RETURN_SUCCESS;
    }
}
