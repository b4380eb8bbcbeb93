<?php

declare(strict_types=1);

namespace Magento\Store\Model;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\DB\Connection;

/**
 * Websites, groups and store views, from the section "scopes" of config.php, else from the database.
 */
class StoreManager
{
    /** @var array<string, array<int|string, array<string, mixed>>>|null */
    private ?array $scopes = null;

    public function __construct(private DeploymentConfig $deploymentConfig, private Connection $connection)
    {
    }

    /**
     * Code of the store view of this request: ___store, MAGE_RUN_CODE, else the default website's default one.
     */
    public function getStoreCode(): string
    {
        $stores = $this->scopes()['stores'] ?? [];
        foreach ([$_GET['___store'] ?? null, $_SERVER['MAGE_RUN_CODE'] ?? null] as $code) {
            if (is_string($code) && !empty($stores[$code]['is_active'])) {
                return $code;
            }
        }
        $groups = array_column($this->scopes()['groups'] ?? [], null, 'group_id');
        $group = $groups[$this->getDefaultWebsite()['default_group_id']] ?? [];
        foreach ($stores as $code => $store) {
            if ((string) $store['store_id'] === (string) ($group['default_store_id'] ?? '')) {
                return (string) $code;
            }
        }
        throw new \DomainException("The default store view isn't defined.");
    }

    /**
     * @return array<string, mixed>
     */
    public function getDefaultWebsite(): array
    {
        foreach ($this->scopes()['websites'] ?? [] as $website) {
            if (!empty($website['is_default'])) {
                return $website;
            }
        }
        throw new \DomainException("The default website isn't defined. Set the website and try again.");
    }

    /**
     * Whether a scope (default, websites/base, stores/german) exists.
     */
    public function hasScope(string $scope): bool
    {
        [$type, $code] = explode('/', $scope, 2) + [1 => ''];

        return $scope === 'default' || isset($this->scopes()[$type][$code]);
    }

    /**
     * Number of a scope, for core_config_data.
     */
    public function getScopeId(string $scope): int
    {
        [$type, $code] = explode('/', $scope, 2) + [1 => ''];

        return (int) ($this->scopes()[$type][$code][$type === 'stores' ? 'store_id' : 'website_id'] ?? 0);
    }

    public static function websiteOfStore(DeploymentConfig $deploymentConfig, string $store): string
    {
        $scopes = (array) $deploymentConfig->getConfigData('scopes');
        $websites = array_column($scopes['websites'] ?? [], 'code', 'website_id');

        return (string) ($websites[$scopes['stores'][$store]['website_id'] ?? ''] ?? 'base');
    }

    /**
     * @return array<string, string> scope (websites/base) by type and number (websites/1)
     */
    public static function scopeCodes(DeploymentConfig $deploymentConfig, Connection $connection): array
    {
        $codes = [];
        $scopes = (new self($deploymentConfig, $connection))->scopes();
        foreach (['websites' => 'website_id', 'stores' => 'store_id'] as $type => $key) {
            foreach ($scopes[$type] ?? [] as $code => $row) {
                $codes["$type/{$row[$key]}"] = "$type/$code";
            }
        }

        return $codes;
    }

    /**
     * @return array<string, array<int|string, array<string, mixed>>>
     */
    private function scopes(): array
    {
        if ($this->scopes === null) {
            $this->scopes = (array) $this->deploymentConfig->getConfigData('scopes');
            if (!$this->scopes && $this->deploymentConfig->isDbAvailable()) {
                $this->scopes = [
                    'websites' => $this->connection->fetchAll('SELECT * FROM {store_website}'),
                    'groups' => $this->connection->fetchAll('SELECT * FROM {store_group}'),
                    'stores' => $this->connection->fetchAll('SELECT * FROM {store}'),
                ];
                foreach (['websites', 'stores'] as $type) {
                    $this->scopes[$type] = array_column($this->scopes[$type], null, 'code');
                }
            }
        }

        return $this->scopes;
    }
}
