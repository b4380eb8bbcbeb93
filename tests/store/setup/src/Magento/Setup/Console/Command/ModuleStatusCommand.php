<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Component\ComponentRegistrar;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * module:status.
 */
class ModuleStatusCommand extends Command
{
    public const NAME = 'module:status';
    public const DESCRIPTION = 'Displays status of modules';

    public function __construct(private DeploymentConfig $deploymentConfig)
    {
    }

    public function options(): array
    {
        return [
            'enabled' => [null, self::NONE, 'Print only enabled modules'],
            'disabled' => [null, self::NONE, 'Print only disabled modules'],
        ];
    }

    public function arguments(): array
    {
        return ['module-names*' => 'Optional module name'];
    }

    public function execute(Input $input, Output $output): int
    {
        $all = array_keys(ComponentRegistrar::getPaths(ComponentRegistrar::MODULE));
        $enabled = array_intersect(
            array_keys(array_filter((array) $this->deploymentConfig->getConfigData('modules'))),
            $all
        );
        $disabled = array_diff($all, $enabled);
        $names = $input->getArgument('module-names');
        foreach ($names as $name) {
            $state = in_array($name, $enabled, true) ? 'enabled' : 'disabled';
            $output->writeln("$name : " . (in_array($name, $all, true) ? "Module is $state" : 'Module does not exist'));
        }
        if ($names) {
            return array_diff($names, $all) ? Cli::RETURN_FAILURE : Cli::RETURN_SUCCESS;
        }
        if ($input->getOption('enabled') || $input->getOption('disabled')) {
            $output->writeln(...($input->getOption('enabled') ? $enabled : $disabled) ?: ['None']);
            return Cli::RETURN_SUCCESS;
        }
        $output->writeln('List of enabled modules:', ...$enabled ?: ['None']);
        $output->writeln('', 'List of disabled modules:', ...$disabled ?: ['None']);

        return Cli::RETURN_SUCCESS;
    }
}
