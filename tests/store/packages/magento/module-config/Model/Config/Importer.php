<?php

declare(strict_types=1);

namespace Magento\Config\Model\Config;

use Magento\Deploy\Model\DeploymentConfig\ImporterInterface;
use Magento\Framework\App\Cache;
use Magento\Framework\Flag;

/**
 * Imports the section "system": remembers it as system_config_snapshot and drops the config cache.
 */
class Importer implements ImporterInterface
{
    public function __construct(private Flag $flag, private Cache $cache)
    {
    }

    public function getWarningMessages(array $data): array
    {
        return [];
    }

    public function import(array $data): array
    {
        $this->flag->set('system_config_snapshot', $data);
        $this->cache->clean(['config']);

        return ['System config was processed'];
    }
}
