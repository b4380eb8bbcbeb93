<?php

declare(strict_types=1);

namespace Magento\Framework\App;

use Magento\Framework\DB\Connection;
use Magento\Framework\Module\ModuleList;
use Magento\Store\Model\StoreManager;

/**
 * System configuration. Precedence: CONFIG__* of the environment, env.php, config.php, core_config_data,
 * the modules' etc/config.xml.
 *
 * CONFIG__ names are read from $_ENV (variables_order must have an E), match [A-Za-z0-9_] and are lowercased, so that
 * camelCase paths cannot be reached. The merged values are cached, environment included (magento2#35045).
 */
class Config
{
    private const CACHE_ID = 'system_configuration';
    private const ENV_NAME = '/^CONFIG__(?:(DEFAULT)|(WEBSITES|STORES)__(\w+?))__([A-Za-z0-9_]+)$/';

    /** @var array<string, array<string, mixed>>|null values by scope (default, websites/base, stores/x) and path */
    private ?array $values = null;

    public function __construct(
        private DeploymentConfig $deploymentConfig,
        private ModuleList $moduleList,
        private Connection $connection,
        private Cache $cache
    ) {
    }

    /**
     * Value for a store view (null: default scope), else for its website, else the default's.
     */
    public function getValue(string $path, ?string $store = null): mixed
    {
        $scopes = ['default'];
        if ($store !== null) {
            $website = StoreManager::websiteOfStore($this->deploymentConfig, $store);
            array_unshift($scopes, "stores/$store", "websites/$website");
        }
        foreach ($scopes as $scope) {
            if (isset($this->all()[$scope][$path])) {
                return $this->all()[$scope][$path];
            }
        }

        return null;
    }

    /**
     * All values, one array of paths for each scope.
     *
     * @return array<string, array<string, mixed>>
     */
    public function all(): array
    {
        if ($this->values === null) {
            $cached = $this->cache->load('config', self::CACHE_ID);
            $this->values = $cached !== null ? json_decode($cached, true) : $this->merge(
                ['default' => $this->xmlDefaults()],
                $this->databaseValues(),
                self::fileValues((array) $this->deploymentConfig->getConfigData('system')),
                self::environmentValues()
            );
            if ($cached === null) {
                $this->cache->save('config', self::CACHE_ID, (string) json_encode($this->values));
            }
        }

        return $this->values;
    }

    /**
     * @return array<string, string>
     */
    public function xmlDefaults(): array
    {
        $values = [];
        foreach ($this->moduleList->getConfigFiles('config.xml') as $file) {
            $xml = simplexml_load_string((string) file_get_contents($file));
            foreach ($xml->default ?? [] as $default) {
                $values = self::flatten(json_decode((string) json_encode($default), true)) + $values;
            }
        }

        return $values;
    }

    /**
     * @return array<string, array<string, mixed>>
     */
    public function databaseValues(): array
    {
        if (!$this->deploymentConfig->isDbAvailable() || !$this->connection->tableExists('core_config_data')) {
            return [];
        }
        $values = [];
        $codes = StoreManager::scopeCodes($this->deploymentConfig, $this->connection);
        foreach ($this->connection->fetchAll('SELECT * FROM {core_config_data} ORDER BY config_id') as $row) {
            $scope = $row['scope'] === 'default' ? 'default' : ($codes["{$row['scope']}/{$row['scope_id']}"] ?? null);
            if ($scope !== null) {
                $values[$scope][$row['path']] = $row['value'];
            }
        }

        return $values;
    }

    /**
     * The section "system" of the deployment configuration.
     *
     * @param array<string, mixed> $system
     * @return array<string, array<string, mixed>>
     */
    public static function fileValues(array $system): array
    {
        $values = ['default' => self::flatten($system['default'] ?? [])];
        foreach (['websites', 'stores'] as $type) {
            foreach ($system[$type] ?? [] as $code => $tree) {
                $values["$type/$code"] = self::flatten($tree);
            }
        }

        return $values;
    }

    /**
     * @return array<string, array<string, string>>
     */
    public static function environmentValues(): array
    {
        $values = [];
        foreach ($_ENV as $name => $value) {
            if (preg_match(self::ENV_NAME, (string) $name, $match)) {
                $scope = $match[1] !== '' ? 'default' : strtolower("$match[2]/$match[3]");
                $values[$scope][strtolower(str_replace('__', '/', $match[4]))] = (string) $value;
            }
        }

        return $values;
    }

    public function reset(): void
    {
        $this->values = null;
    }

    /**
     * @param array<string, array<string, mixed>> ...$layers the later over the earlier
     * @return array<string, array<string, mixed>>
     */
    private function merge(array ...$layers): array
    {
        $merged = [];
        foreach ($layers as $layer) {
            foreach ($layer as $scope => $values) {
                $merged[$scope] = $values + ($merged[$scope] ?? []);
            }
        }

        return $merged;
    }

    /**
     * @param array<string, mixed> $tree
     * @return array<string, mixed> values by path
     */
    public static function flatten(array $tree, string $prefix = ''): array
    {
        $values = [];
        foreach ($tree as $key => $value) {
            if (is_array($value) && $value !== []) {
                $values += self::flatten($value, "$prefix$key/");
            } else {
                $values[$prefix . $key] = is_array($value) ? '' : $value;
            }
        }

        return $values;
    }
}
