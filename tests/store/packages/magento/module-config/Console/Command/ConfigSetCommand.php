<?php

declare(strict_types=1);

namespace Magento\Config\Console\Command;

use Magento\Config\Model\Config\Storage;
use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * config:set: to the database, with -c to config.php, with -e to env.php. Messages as Magento 2.4.7.
 */
class ConfigSetCommand extends Command
{
    public const NAME = 'config:set';
    public const DESCRIPTION = 'Change system configuration';

    public function __construct(private Storage $storage)
    {
    }

    public function options(): array
    {
        return [
            'scope' => [null, self::OPTIONAL, 'Configuration scope (default, website, or store)', 'default'],
            'scope-code' => [null, self::OPTIONAL, "Scope code (required only if scope is not 'default')"],
            'lock-env' => ['e', self::NONE, 'Lock value (will be saved in app/etc/env.php)'],
            'lock-config' => ['c', self::NONE, 'Lock and share value (will be saved in app/etc/config.php)'],
            'lock' => ['l', self::NONE, 'Deprecated, use the --lock-env option instead.'],
        ];
    }

    public function arguments(): array
    {
        return ['path' => 'Configuration path in format section/group/field_name', 'value' => 'Configuration value'];
    }

    public function execute(Input $input, Output $output): int
    {
        if ($this->storage->isImportNeeded($output)) {
            return Cli::RETURN_FAILURE;
        }
        [$path, $value] = [(string) $input->getArgument('path'), (string) $input->getArgument('value')];
        $scope = Storage::scope((string) $input->getOption('scope'), (string) $input->getOption('scope-code'));
        $lock = $input->getOption('lock-env') || $input->getOption('lock');
        $error = match (true) {
            !$this->storage->hasScope($scope) => "The \"$scope\" scope doesn't exist. Verify the code and try again.",
            !$this->storage->isKnown($path) => "The \"$path\" path doesn't exist. Verify and try again.",
            !$lock && !$input->getOption('lock-config') && $this->storage->isLocked($scope, $path)
                => 'The value you set has already been locked. To change the value, use the --lock-env option.',
            default => null,
        };
        if ($error !== null) {
            $output->writeln($error);
            return Cli::RETURN_FAILURE;
        }
        if ($input->getOption('lock-config') || $lock) {
            $file = $input->getOption('lock-config') ? Reader::CONFIG : Reader::ENV;
            $this->storage->lock($file, $scope, $path, $value);
            $output->writeln("Value was saved in app/etc/$file and locked.");
        } else {
            $this->storage->save($scope, $path, $value);
            $output->writeln('Value was saved.');
        }

        return Cli::RETURN_SUCCESS;
    }
}
