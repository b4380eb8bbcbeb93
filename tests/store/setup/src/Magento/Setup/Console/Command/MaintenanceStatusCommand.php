<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Framework\App\MaintenanceMode;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * maintenance:status.
 */
class MaintenanceStatusCommand extends Command
{
    public const NAME = 'maintenance:status';
    public const DESCRIPTION = 'Displays maintenance mode status';

    public function __construct(private MaintenanceMode $maintenanceMode)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        $output->writeln(
            'Status: maintenance mode is ' . ($this->maintenanceMode->isOn() ? 'active' : 'not active'),
            'List of exempt IP-addresses: ' . (implode(' ', $this->maintenanceMode->getAddresses()) ?: 'none')
        );

        return Cli::RETURN_SUCCESS;
    }
}
