<?php

declare(strict_types=1);

namespace Magento\Framework\App;

/**
 * Mode (default, developer, production) and area of this process.
 */
class State
{
    public const MODE_DEFAULT = 'default';
    public const MODE_DEVELOPER = 'developer';
    public const MODE_PRODUCTION = 'production';
    public const AREAS = ['global', 'frontend', 'adminhtml', 'crontab', 'webapi_rest', 'webapi_soap', 'graphql'];

    private string $area = 'global';

    public function __construct(private DeploymentConfig $deploymentConfig)
    {
    }

    /**
     * MAGE_MODE of the environment, else of env.php.
     */
    public function getMode(): string
    {
        return (string) ($_SERVER['MAGE_MODE'] ?? (getenv('MAGE_MODE') ?: null)
            ?? $this->deploymentConfig->get('MAGE_MODE', self::MODE_DEFAULT));
    }

    public function isProduction(): bool
    {
        return $this->getMode() === self::MODE_PRODUCTION;
    }

    public function setAreaCode(string $area): void
    {
        $this->area = $area;
    }

    public function getAreaCode(): string
    {
        return $this->area;
    }
}
