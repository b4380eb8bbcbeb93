<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Console;

use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\MessageQueue\Model\PoisonPill;

/**
 * queue:consumers:restart: the poison pill.
 */
class RestartConsumerCommand extends Command
{
    public const NAME = 'queue:consumers:restart';
    public const DESCRIPTION = 'Restart MessageQueue consumers';

    public function __construct(private PoisonPill $poisonPill)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        $this->poisonPill->put();

        return Cli::RETURN_SUCCESS;
    }
}
