<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\App\DeploymentConfig\Writer;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Setup\Model\EnvOptions;

/**
 * setup:config:set: deployment configuration, without questions.
 */
class ConfigSetCommand extends Command
{
    public const NAME = 'setup:config:set';
    public const DESCRIPTION = 'Creates or modifies the deployment configuration';

    public function __construct(private Writer $writer)
    {
    }

    public function options(): array
    {
        return array_fill_keys(EnvOptions::names(), [null, self::REQUIRED, ''])
            + ['skip-db-validation' => ['s', self::NONE, '']];
    }

    public function execute(Input $input, Output $output): int
    {
        $config = EnvOptions::toConfig($input->getOptions());
        if ($config) {
            $this->writer->saveConfig(Reader::ENV, $config);
            $output->writeln('You saved the new configuration.');
        } else {
            $output->writeln('You made no changes to the configuration.');
        }

        return Cli::RETURN_SUCCESS;
    }
}
