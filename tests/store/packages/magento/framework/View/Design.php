<?php

declare(strict_types=1);

namespace Magento\Framework\View;

use Magento\Framework\App\Config;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\DB\Connection;
use Magento\Framework\Translate;
use Magento\Store\Model\StoreManager;

/**
 * Theme and locale of the current store view.
 */
class Design
{
    private ?string $theme = null;

    public function __construct(
        private Config $config,
        private StoreManager $storeManager,
        private Translate $translate,
        private DeploymentConfig $deploymentConfig,
        private Connection $connection
    ) {
    }

    public function getTheme(): string
    {
        if ($this->theme === null) {
            $id = (string) $this->config->getValue('design/theme/theme_id', $this->storeManager->getStoreCode());
            if (ctype_digit($id) && $this->deploymentConfig->isDbAvailable()) {
                $id = (string) $this->connection->fetchOne('SELECT theme_path FROM {theme} WHERE theme_id = ?', [$id]);
            }
            $this->theme = str_starts_with($id, 'frontend/') ? substr($id, 9) : $id;
            $this->translate->activate('frontend', $this->theme, $this->getLocale());
        }

        return $this->theme;
    }

    public function getLocale(): string
    {
        return (string) $this->config->getValue('general/locale/code', $this->storeManager->getStoreCode());
    }
}
