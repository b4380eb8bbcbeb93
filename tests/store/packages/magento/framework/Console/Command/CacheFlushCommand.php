<?php

declare(strict_types=1);

namespace Magento\Framework\Console\Command;

/**
 * cache:flush: the whole storage, other users' entries too.
 */
class CacheFlushCommand extends AbstractCacheCommand
{
    public const NAME = 'cache:flush';
    public const DESCRIPTION = 'Flushes cache storage used by cache type(s)';
    protected const DONE = 'Flushed cache types:';

    protected function perform(array $types): void
    {
        $this->cache->flush();
    }
}
