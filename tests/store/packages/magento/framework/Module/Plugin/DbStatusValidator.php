<?php

declare(strict_types=1);

namespace Magento\Framework\Module\Plugin;

use Magento\Framework\App\Cache;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\FrontController;
use Magento\Framework\Exception\LocalizedException;
use Magento\Framework\Module\DbVersionInfo;

/**
 * Refuses requests while a module's version in the database is too low or too high.
 *
 * The good answer is cached as db_is_up_to_date, so that the refusal shows after a flush only;
 * deployment/blue_green/enabled skips the check. Source: Magento 2.4.7, class of the same name.
 */
class DbStatusValidator
{
    private const CACHE_ID = 'db_is_up_to_date';

    public function __construct(
        private Cache $cache,
        private DbVersionInfo $dbVersionInfo,
        private DeploymentConfig $deploymentConfig
    ) {
    }

    public function beforeDispatch(FrontController $subject): void
    {
        if (
            !$this->deploymentConfig->isDbAvailable()
            || $this->deploymentConfig->get('deployment/blue_green/enabled')
            || $this->cache->load('config', self::CACHE_ID) !== null
        ) {
            return;
        }
        $low = $high = [];
        foreach ($this->dbVersionInfo->getErrors() as $error) {
            ['module' => $module, 'type' => $type, 'current' => $current, 'required' => $required] = $error;
            if ($current === 'none' || version_compare($current, $required, '<')) {
                $low[] = "$module $type: current version - $current, required version - $required";
            } else {
                $high[] = "$module $type: code version - $required, database version - $current";
            }
        }
        if ($high) {
            throw new LocalizedException(
                "Please update your modules: Run \"composer install\" from the Magento root directory.\n"
                . "The following modules are outdated:\n" . implode("\n", $high)
            );
        }
        if ($low) {
            throw new LocalizedException(
                "Please upgrade your database: Run \"bin/magento setup:upgrade\" from the Magento root directory.\n"
                . "The following modules are outdated:\n" . implode("\n", $low)
            );
        }
        $this->cache->save('config', self::CACHE_ID, 'true');
    }
}
