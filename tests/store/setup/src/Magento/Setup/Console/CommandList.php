<?php

declare(strict_types=1);

namespace Magento\Setup\Console;

use Magento\Deploy\Console\Command\ConfigImportCommand;
use Magento\Framework\Console\Command as Base;
use Magento\Framework\ObjectManager\ObjectManagerInterface;

/**
 * Commands that exist before the shop is installed.
 */
class CommandList
{
    private const COMMANDS = [
        ConfigImportCommand::class,
        Command\ConfigSetCommand::class,
        Command\DbDataUpgradeCommand::class,
        Command\DbSchemaUpgradeCommand::class,
        Command\DbStatusCommand::class,
        Command\DeployStaticContentCommand::class,
        Command\DiCompileCommand::class,
        Command\InstallCommand::class,
        Command\MaintenanceDisableCommand::class,
        Command\MaintenanceEnableCommand::class,
        Command\MaintenanceStatusCommand::class,
        Command\ModuleStatusCommand::class,
        Command\UpgradeCommand::class,
    ];

    public function __construct(private ObjectManagerInterface $objectManager)
    {
    }

    /**
     * @return Base[]
     */
    public function getCommands(): array
    {
        return array_map($this->objectManager->get(...), self::COMMANDS);
    }
}
