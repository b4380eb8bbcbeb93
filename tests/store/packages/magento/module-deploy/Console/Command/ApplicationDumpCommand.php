<?php

declare(strict_types=1);

namespace Magento\Deploy\Console\Command;

use Magento\Config\Model\Config\Storage;
use Magento\Deploy\Model\DeploymentConfig\Hash;
use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\App\DeploymentConfig\Writer;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Store\Model\StoreImporter;
use Magento\Theme\Model\ThemeImporter;

/**
 * app:config:dump: from the database to config.php and, for sensitive and system-specific paths, env.php.
 *
 * A dump of "system" takes every value, defaults included, and so locks all of them (magento2#11396).
 */
class ApplicationDumpCommand extends Command
{
    public const NAME = 'app:config:dump';
    public const DESCRIPTION = 'Create dump of application';

    public function __construct(
        private Storage $storage,
        private StoreImporter $stores,
        private ThemeImporter $themes,
        private Writer $writer,
        private Hash $hash
    ) {
    }

    public function arguments(): array
    {
        return ['config-types*' => 'Space-separated list of config types: scopes, themes, system, i18n'];
    }

    public function execute(Input $input, Output $output): int
    {
        $types = $input->getArgument('config-types');
        $shared = $private = [];
        foreach (['scopes', 'system', 'themes', 'i18n'] as $type) {
            if ($types && !in_array($type, $types, true)) {
                continue;
            }
            $shared[$type] = match ($type) {
                'scopes' => $this->stores->export(),
                'system' => $this->storage->export(false),
                'themes' => $this->themes->export(),
                'i18n' => [],
            };
            if ($type === 'system') {
                $private = ['system' => $this->storage->export(true)];
                $output->writeln(
                    'Shared configuration was written to config.php and system-specific configuration to env.php.',
                    "Shared configuration file (config.php) doesn't contain sensitive data for security reasons.",
                    'Sensitive data can be stored in the following environment variables:',
                    ...$this->storage->sensitiveVariables()
                );
            }
        }
        if (!$shared) {
            $output->writeln('Nothing dumped. Check the config types specified and try again');
            return Cli::RETURN_FAILURE;
        }
        $this->writer->saveConfig(Reader::CONFIG, $shared, true);
        $private && $this->writer->saveConfig(Reader::ENV, $private, true);
        $this->hash->regenerate();
        $output->writeln('Done. Config types dumped: ' . implode(', ', array_keys($shared)));

        return Cli::RETURN_SUCCESS;
    }
}
