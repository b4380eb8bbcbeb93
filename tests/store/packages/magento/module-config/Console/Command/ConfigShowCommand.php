<?php

declare(strict_types=1);

namespace Magento\Config\Console\Command;

use Magento\Config\Model\Config\Storage;
use Magento\Config\Model\Config\TypePool;
use Magento\Framework\App\Config;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * config:show: one effective value, or all that differ from config.xml. Sensitive ones show as ******.
 */
class ConfigShowCommand extends Command
{
    public const NAME = 'config:show';
    public const DESCRIPTION = 'Shows configuration value for given path. If path is not specified, all are shown';

    public function __construct(private Config $config, private Storage $storage, private TypePool $typePool)
    {
    }

    public function options(): array
    {
        return [
            'scope' => [null, self::OPTIONAL, 'Scope for configuration', 'default'],
            'scope-code' => [null, self::OPTIONAL, 'Scope code (required only if scope is not `default`)', ''],
        ];
    }

    public function arguments(): array
    {
        return ['path?' => 'Configuration path, for example section_id/group_id/field_id'];
    }

    public function execute(Input $input, Output $output): int
    {
        $scope = Storage::scope((string) $input->getOption('scope'), (string) $input->getOption('scope-code'));
        $path = trim((string) $input->getArgument('path'), '/');
        $values = $this->config->all()[$scope] ?? [];
        if ($path === '') {
            $defaults = $scope === 'default' ? $this->config->xmlDefaults() : [];
            foreach (array_diff_assoc($values, $defaults) as $name => $value) {
                $output->writeln("$name - " . $this->mask($name, $value));
            }
            return Cli::RETURN_SUCCESS;
        }
        if (!$this->storage->isKnown($path)) {
            $output->writeln("The \"$path\" path doesn't exist. Verify and try again.");
            return Cli::RETURN_FAILURE;
        }
        $output->writeln($this->mask($path, $values[$path] ?? $this->config->getValue($path)));

        return Cli::RETURN_SUCCESS;
    }

    private function mask(string $path, mixed $value): string
    {
        return $this->typePool->isPresent($path, TypePool::TYPE_SENSITIVE) ? '******' : (string) $value;
    }
}
