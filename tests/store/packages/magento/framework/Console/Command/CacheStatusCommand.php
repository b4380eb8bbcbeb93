<?php

declare(strict_types=1);

namespace Magento\Framework\Console\Command;

use Magento\Framework\App\Cache;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * cache:status.
 */
class CacheStatusCommand extends Command
{
    public const NAME = 'cache:status';
    public const DESCRIPTION = 'Checks cache status';

    public function __construct(private Cache $cache)
    {
    }

    public function execute(Input $input, Output $output): int
    {
        $output->writeln('Current status:');
        foreach (Cache::TYPES as $type) {
            $output->writeln(sprintf('%30s: %d', $type, $this->cache->isEnabled($type)));
        }

        return Cli::RETURN_SUCCESS;
    }
}
