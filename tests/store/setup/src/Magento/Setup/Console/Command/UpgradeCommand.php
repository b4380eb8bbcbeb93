<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Deploy\Console\Command\ConfigImportCommand;
use Magento\Framework\App\Cache;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\State;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Setup\Model\Installer;

/**
 * setup:upgrade: module list, schema, data, import of configuration. Needs app/etc and var writable (magento2#26292).
 */
class UpgradeCommand extends Command
{
    public const NAME = 'setup:upgrade';
    public const DESCRIPTION = 'Upgrades the Magento application, DB data, and schema';

    public function __construct(
        private Installer $installer,
        private ConfigImportCommand $importCommand,
        private DeploymentConfig $deploymentConfig,
        private State $state,
        private Cache $cache
    ) {
    }

    public function options(): array
    {
        return [
            'keep-generated' => [null, self::NONE, 'Prevents generated files from being deleted.'],
            'convert-old-scripts' => [null, self::OPTIONAL, 'Allows to convert old scripts', false],
            'safe-mode' => [null, self::OPTIONAL, 'Safe installation of Magento with dumps on destructive operations'],
            'data-restore' => [null, self::OPTIONAL, 'Restore removed data from dumps'],
            'dry-run' => [null, self::OPTIONAL, 'Magento Installation will be run in dry-run mode', false],
        ];
    }

    public function execute(Input $input, Output $output): int
    {
        try {
            $keep = (bool) $input->getOption('keep-generated');
            $this->installer->updateModulesSequence($keep, $output);
            $this->installer->installSchema($output);
            $this->installer->installData($output);
            $this->cache->clean();
            if ($this->deploymentConfig->isAvailable()) {
                $import = new Input($this->importCommand, $input->getOption('no-interaction') ? ['-n'] : []);
                if ($this->importCommand->execute($import, $output) !== Cli::RETURN_SUCCESS) {
                    throw new \RuntimeException('app:config:import failed. See previous output.');
                }
            }
            if (!$keep && $this->state->isProduction()) {
                $output->writeln('Please re-run Magento compile command. Use the command "setup:di:compile"');
            }

            return Cli::RETURN_SUCCESS;
        } catch (\Exception $e) {
            $output->writeln($e->getMessage());
            return Cli::RETURN_FAILURE;
        }
    }
}
