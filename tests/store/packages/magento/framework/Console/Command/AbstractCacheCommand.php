<?php

declare(strict_types=1);

namespace Magento\Framework\Console\Command;

use Magento\Framework\App\Cache;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;

/**
 * What cache:clean and cache:flush have in common.
 */
abstract class AbstractCacheCommand extends Command
{
    protected const DONE = '';

    public function __construct(protected Cache $cache)
    {
    }

    public function options(): array
    {
        return ['bootstrap' => [null, self::REQUIRED, 'Add or override parameters of the bootstrap']];
    }

    public function arguments(): array
    {
        return ['types*' => 'Space-separated list of cache types or omit to apply to all cache types.'];
    }

    public function execute(Input $input, Output $output): int
    {
        $types = $input->getArgument('types') ?: Cache::TYPES;
        $unknown = array_diff($types, Cache::TYPES);
        if ($unknown) {
            throw new \InvalidArgumentException(
                "The following requested cache types are not supported: '" . implode("', '", $unknown) . "'.\n"
                . 'Supported types: ' . implode(', ', Cache::TYPES)
            );
        }
        $this->perform($types);
        $output->writeln(static::DONE, ...$types);

        return Cli::RETURN_SUCCESS;
    }

    /**
     * @param string[] $types
     */
    abstract protected function perform(array $types): void;
}
