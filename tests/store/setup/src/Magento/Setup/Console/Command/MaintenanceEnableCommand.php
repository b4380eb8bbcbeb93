<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Framework\App\MaintenanceMode;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * maintenance:enable.
 */
class MaintenanceEnableCommand extends Command
{
    public const NAME = 'maintenance:enable';
    public const DESCRIPTION = 'Enables maintenance mode';

    public function __construct(private MaintenanceMode $maintenanceMode)
    {
    }

    public function options(): array
    {
        return [
            'ip' => [null, self::MANY | self::REQUIRED, "Allowed IP addresses (use 'none' to clear)"],
        ];
    }

    public function execute(Input $input, Output $output): int
    {
        $addresses = $input->getOption('ip');
        foreach ($addresses as $address) {
            if ($address !== 'none' && !filter_var(explode('/', $address)[0], FILTER_VALIDATE_IP)) {
                $output->writeln("Invalid IP $address");
                return Cli::RETURN_FAILURE;
            }
        }
        $this->maintenanceMode->set(true);
        $output->writeln('Enabled maintenance mode');
        if ($addresses) {
            $this->maintenanceMode->setAddresses($addresses === ['none'] ? '' : implode(',', $addresses));
            $output->writeln('Set exempt IP-addresses: '
                . (implode(' ', $this->maintenanceMode->getAddresses()) ?: 'none'));
        }

        return Cli::RETURN_SUCCESS;
    }
}
