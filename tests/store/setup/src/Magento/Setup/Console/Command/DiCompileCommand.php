<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Framework\App\Cache;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\App\DeploymentConfig\Writer;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Setup\Model\Compiler;

/**
 * setup:di:compile. Source of messages and exit codes: Magento 2.4.7, class of the same name.
 */
class DiCompileCommand extends Command
{
    public const NAME = 'setup:di:compile';
    public const DESCRIPTION = 'Generates DI configuration and all missing classes that can be auto-generated';

    public function __construct(
        private DeploymentConfig $deploymentConfig,
        private Cache $cache,
        private Writer $writer
    ) {
    }

    public function execute(Input $input, Output $output): int
    {
        if (!$this->deploymentConfig->getConfigData('modules')) {
            $output->writeln(
                'You cannot run this command because modules are not enabled. You can enable modules by running the'
                . " 'module:enable --all' command."
            );
            return Cli::RETURN_FAILURE;
        }
        $this->cache->clean();
        Cli::remove(BP . '/var/cache');
        $output->writeln('Compilation was started.');
        $steps = (new Compiler($this->deploymentConfig))->steps();
        $done = 0;
        foreach ($steps as $name => $step) {
            $output->writeln(sprintf('%s... %d/%d %d%%', $name, $done, count($steps), 100 * $done / count($steps)));
            $step();
            $done++;
        }
        if (!$this->deploymentConfig->get('cache_types/compiled_config')) {
            $this->writer->saveConfig(Reader::ENV, ['cache_types' => ['compiled_config' => 1]]);
        }
        $output->writeln('Generated code and dependency injection configuration successfully.');

        return Cli::RETURN_SUCCESS;
    }
}
