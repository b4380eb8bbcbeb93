<?php

declare(strict_types=1);

namespace Magento\Deploy\Model\DeploymentConfig;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Flag;

/**
 * Hash of the sections system, scopes and themes of config.php and env.php together, kept in the flag config_hash.
 *
 * Values of CONFIG__* environment variables are no part of it. Source: Magento 2.4.7,
 * Magento\Deploy\Model\DeploymentConfig\{Hash, ChangeDetector}.
 */
class Hash
{
    public const SECTIONS = ['scopes', 'themes', 'system'];
    private const FLAG = 'config_hash';

    public function __construct(private DeploymentConfig $deploymentConfig, private Flag $flag)
    {
    }

    public function hasChanges(?string $section = null): bool
    {
        $saved = (array) $this->flag->get(self::FLAG);
        foreach ($section === null ? self::SECTIONS : [$section] as $name) {
            $config = $this->deploymentConfig->getConfigData($name);
            if ($config === null || ($config === [] && !isset($saved[$name]))) {
                continue;
            }
            if (sha1((string) json_encode($config)) !== ($saved[$name] ?? null)) {
                return true;
            }
        }

        return false;
    }

    public function regenerate(?string $section = null): void
    {
        $saved = (array) $this->flag->get(self::FLAG);
        foreach ($section === null ? self::SECTIONS : [$section] as $name) {
            $saved[$name] = sha1((string) json_encode($this->deploymentConfig->getConfigData($name)));
        }
        $this->flag->set(self::FLAG, $saved);
    }
}
