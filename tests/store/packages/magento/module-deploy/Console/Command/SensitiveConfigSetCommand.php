<?php

declare(strict_types=1);

namespace Magento\Deploy\Console\Command;

use Magento\Config\Model\Config\Storage;
use Magento\Config\Model\Config\TypePool;
use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * config:sensitive:set: a sensitive value into env.php, always.
 */
class SensitiveConfigSetCommand extends Command
{
    public const NAME = 'config:sensitive:set';
    public const DESCRIPTION = 'Set sensitive configuration values';

    public function __construct(private Storage $storage, private TypePool $typePool)
    {
    }

    public function options(): array
    {
        return [
            'interactive' => ['i', self::NONE, 'Enable interactive mode to set all sensitive variables'],
            'scope' => [null, self::OPTIONAL, 'Scope for configuration', 'default'],
            'scope-code' => [null, self::OPTIONAL, 'Scope code for configuration', ''],
        ];
    }

    public function arguments(): array
    {
        return ['path?' => 'Configuration path, e.g. section/group/field', 'value?' => 'Configuration value'];
    }

    public function execute(Input $input, Output $output): int
    {
        if ($this->storage->isImportNeeded($output)) {
            return Cli::RETURN_FAILURE;
        }
        $path = (string) $input->getArgument('path');
        if (!$this->typePool->isPresent($path, TypePool::TYPE_SENSITIVE)) {
            $output->writeln("A configuration with this path does not exist or is not sensitive");
            return Cli::RETURN_FAILURE;
        }
        $scope = Storage::scope((string) $input->getOption('scope'), (string) $input->getOption('scope-code'));
        $this->storage->lock(Reader::ENV, $scope, $path, (string) $input->getArgument('value'));
        $output->writeln('Configuration value saved in app/etc/env.php');

        return Cli::RETURN_SUCCESS;
    }
}
