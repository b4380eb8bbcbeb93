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
 * setup:db-data:upgrade.
 */
class DbDataUpgradeCommand extends Command
{
    public const NAME = 'setup:db-data:upgrade';
    public const DESCRIPTION = 'Installs and upgrades data in the DB';

    public function __construct(private Installer $installer, private DeploymentConfig $deploymentConfig)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        if (!$this->deploymentConfig->isAvailable()) {
            $output->writeln('No information is available: the Magento application is not installed.');
            return Cli::RETURN_FAILURE;
        }
        try {
            $this->installer->installData($output);
            return Cli::RETURN_SUCCESS;
        } catch (\Exception $e) {
            $output->writeln($e->getMessage());
            return Cli::RETURN_FAILURE;
        }
    }
}
