<?php

declare(strict_types=1);

namespace Magento\Framework\Console\Command;

/**
 * cache:clean: the entries of some types.
 */
class CacheCleanCommand extends AbstractCacheCommand
{
    public const NAME = 'cache:clean';
    public const DESCRIPTION = 'Cleans cache type(s)';
    protected const DONE = 'Cleaned cache types:';

    protected function perform(array $types): void
    {
        $this->cache->clean($types);
    }
}
