<?php

declare(strict_types=1);

namespace Magento\Deploy\Console\Command;

use Magento\Deploy\Model\DeploymentConfig\Hash;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * app:config:status: 0 up to date, 2 an import is needed.
 */
class ConfigStatusCommand extends Command
{
    public const NAME = 'app:config:status';
    public const DESCRIPTION = 'Checks if config propagation requires update';
    private const IMPORT_REQUIRED = 2;

    public function __construct(private Hash $hash)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        if ($this->hash->hasChanges()) {
            $output->writeln(
                'Config files have changed. '
                . 'Run app:config:import or setup:upgrade command to synchronize configuration.'
            );
            return self::IMPORT_REQUIRED;
        }
        $output->writeln('Config files are up to date.');

        return Cli::RETURN_SUCCESS;
    }
}
