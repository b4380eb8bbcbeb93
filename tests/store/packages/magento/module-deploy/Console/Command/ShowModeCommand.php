<?php

declare(strict_types=1);

namespace Magento\Deploy\Console\Command;

use Magento\Framework\App\State;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * deploy:mode:show.
 */
class ShowModeCommand extends Command
{
    public const NAME = 'deploy:mode:show';
    public const DESCRIPTION = 'Displays current application mode.';

    public function __construct(private State $state)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        $output->writeln(sprintf(
            'Current application mode: %s. (Note: Environment variables may override this value.)',
            $this->state->getMode()
        ));

        return Cli::RETURN_SUCCESS;
    }
}
