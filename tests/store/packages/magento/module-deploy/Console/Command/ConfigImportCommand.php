<?php

declare(strict_types=1);

namespace Magento\Deploy\Console\Command;

use Magento\Deploy\Model\DeploymentConfig\Hash;
use Magento\Deploy\Model\DeploymentConfig\ImporterInterface;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * app:config:import: scopes, themes and system of config.php into the database, and the new hash.
 */
class ConfigImportCommand extends Command
{
    public const NAME = 'app:config:import';
    public const DESCRIPTION = 'Import data from shared configuration files to appropriate data storage';

    /**
     * @param array<string, ImporterInterface> $importers by section, in order
     */
    public function __construct(
        private Hash $hash,
        private DeploymentConfig $deploymentConfig,
        private array $importers = []
    ) {
    }

    public function execute(Input $input, Output $output): int
    {
        try {
            if (!$this->hash->hasChanges()) {
                $output->writeln('Nothing to import.');
                return Cli::RETURN_SUCCESS;
            }
            $output->writeln('Processing configurations data from configuration file...');
            foreach ($this->importers as $section => $importer) {
                if (!$this->hash->hasChanges($section)) {
                    continue;
                }
                $data = (array) $this->deploymentConfig->getConfigData($section);
                $warnings = $importer->getWarningMessages($data);
                if ($warnings && !$input->getOption('no-interaction') && !self::confirm($warnings, $output)) {
                    continue;
                }
                $output->writeln(...$importer->import($data));
                $this->hash->regenerate($section);
            }

            return Cli::RETURN_SUCCESS;
        } catch (\Exception $e) {
            $output->writeln('Import failed: ' . $e->getMessage());
            return Cli::RETURN_FAILURE;
        }
    }

    /**
     * @param string[] $warnings
     */
    private static function confirm(array $warnings, Output $output): bool
    {
        $output->writeln(...$warnings, ...['Do you want to continue [yes/no]?']);
        $answer = fgets(STDIN);
        if ($answer === false) {
            throw new \RuntimeException('Aborted.');
        }

        return str_starts_with(strtolower(trim($answer)), 'y');
    }
}
