<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Console;

use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\MessageQueue\Model\Config;

/**
 * queue:consumers:list.
 */
class ConsumerListCommand extends Command
{
    public const NAME = 'queue:consumers:list';
    public const DESCRIPTION = 'List of MessageQueue consumers';

    public function __construct(private Config $config)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        $output->writeln(...array_keys($this->config->getConsumers()));

        return Cli::RETURN_SUCCESS;
    }
}
