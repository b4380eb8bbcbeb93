<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Console;

use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Framework\DB\Connection;
use Magento\MessageQueue\Model\Config;
use Magento\MessageQueue\Model\Consumer;

/**
 * queue:consumers:start.
 */
class StartConsumerCommand extends Command
{
    public const NAME = 'queue:consumers:start';
    public const DESCRIPTION = 'Start MessageQueue consumer';

    public function __construct(private Consumer $consumer, private Config $config, private Connection $connection)
    {
    }

    public function options(): array
    {
        return [
            'max-messages' => [null, self::REQUIRED, 'The number of messages to be processed before termination.'],
            'batch-size' => [null, self::REQUIRED, 'The number of messages per batch.'],
            'area-code' => [null, self::REQUIRED, 'The preferred area, default is global.'],
            'single-thread' => [null, self::NONE, 'Prevents running multiple copies of one consumer simultaneously.'],
            'multi-process' => [null, self::OPTIONAL, 'The number of processes per consumer.'],
            'pid-file-path' => [null, self::REQUIRED, 'The file path for saving PID (deprecated)'],
        ];
    }

    public function arguments(): array
    {
        return ['consumer' => 'The name of the consumer to be started.'];
    }

    public function execute(Input $input, Output $output): int
    {
        $name = (string) $input->getArgument('consumer');
        $this->config->getConsumer($name);
        $single = $input->getOption('single-thread') || $input->getOption('pid-file-path');
        if ($single && !$this->connection->lock(md5($name))) {
            $output->writeln('Consumer with the same name is running');
            return Cli::RETURN_FAILURE;
        }
        $max = $input->getOption('max-messages');
        $this->consumer->process($name, $max === null ? null : (int) $max);

        return Cli::RETURN_SUCCESS;
    }
}
