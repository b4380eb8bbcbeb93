<?php

declare(strict_types=1);

namespace Magento\Deploy\Model\Plugin;

use Magento\Deploy\Model\DeploymentConfig\Hash;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\FrontController;
use Magento\Framework\Exception\LocalizedException;

/**
 * Refuses requests while config.php or env.php differ from what was imported, unless
 * deployment/blue_green/enabled. Source: Magento 2.4.7, class of the same name.
 */
class ConfigChangeDetector
{
    public function __construct(private Hash $hash, private DeploymentConfig $deploymentConfig)
    {
    }

    public function beforeDispatch(FrontController $subject): void
    {
        if (
            $this->deploymentConfig->isDbAvailable()
            && !$this->deploymentConfig->get('deployment/blue_green/enabled')
            && $this->hash->hasChanges()
        ) {
            throw new LocalizedException(
                'The configuration file has changed. Run the "app:config:import" or the "setup:upgrade" command to'
                . ' synchronize the configuration.'
            );
        }
    }
}
