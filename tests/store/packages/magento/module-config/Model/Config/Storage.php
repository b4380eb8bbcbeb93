<?php

declare(strict_types=1);

namespace Magento\Config\Model\Config;

use Magento\Deploy\Model\DeploymentConfig\Hash;
use Magento\Framework\App\Cache;
use Magento\Framework\App\Config;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\DeploymentConfig\Writer;
use Magento\Framework\Console\Output;
use Magento\Framework\DB\Connection;
use Magento\Framework\Module\ModuleList;
use Magento\Store\Model\StoreManager;

/**
 * Where configuration values are kept: core_config_data, config.php, env.php.
 */
class Storage
{
    public function __construct(
        private Config $config,
        private DeploymentConfig $deploymentConfig,
        private Writer $writer,
        private Connection $connection,
        private StoreManager $storeManager,
        private ModuleList $moduleList,
        private TypePool $typePool,
        private Cache $cache,
        private Hash $hash
    ) {
    }

    /**
     * A scope's name as in config.php: default, websites/base, stores/german.
     */
    public static function scope(string $type, string $code): string
    {
        return in_array($type, ['', 'default'], true) ? 'default' : rtrim($type, 's') . "s/$code";
    }

    /**
     * Commands that change values refuse while an import is due.
     */
    public function isImportNeeded(Output $output): bool
    {
        $needed = $this->hash->hasChanges('system');
        $needed && $output->writeln(
            'This command is unavailable right now. '
            . 'To continue working with it please run app:config:import or setup:upgrade command before.'
        );

        return $needed;
    }

    /**
     * Whether system.xml or config.xml of some module knows the path.
     */
    public function isKnown(string $path): bool
    {
        if (array_key_exists($path, $this->config->xmlDefaults())) {
            return true;
        }
        foreach ($this->moduleList->getConfigFiles('adminhtml/system.xml') as $file) {
            $xml = simplexml_load_string((string) file_get_contents($file));
            [$section, $group, $field] = explode('/', $path) + ['', '', ''];
            if ($xml && $xml->xpath("//section[@id='$section']/group[@id='$group']/field[@id='$field']")) {
                return true;
            }
        }

        return false;
    }

    public function hasScope(string $scope): bool
    {
        return $this->storeManager->hasScope($scope);
    }

    public function isLocked(string $scope, string $path): bool
    {
        $files = Config::fileValues((array) $this->deploymentConfig->getConfigData('system'));

        return isset($files[$scope][$path]);
    }

    public function save(string $scope, string $path, string $value): void
    {
        $this->connection->insert('core_config_data', [
            'scope' => explode('/', $scope)[0],
            'scope_id' => $this->storeManager->getScopeId($scope),
            'path' => $path,
            'value' => $value,
        ], true);
        $this->cleanUp();
    }

    /**
     * Writes a value to config.php or env.php.
     */
    public function lock(string $file, string $scope, string $path, string $value): void
    {
        $tree = $value;
        foreach (array_reverse([...explode('/', $scope), ...explode('/', $path)]) as $key) {
            $tree = [$key => $tree];
        }
        $this->writer->saveConfig($file, ['system' => $tree]);
        $this->cleanUp();
    }

    /**
     * Tree of all values, either the private ones (sensitive, system-specific) or the others.
     *
     * @return array<string, mixed>
     */
    public function export(bool $private): array
    {
        $tree = [];
        $layers = [
            ['default' => $this->config->xmlDefaults()],
            $this->config->databaseValues(),
            Config::fileValues((array) $this->deploymentConfig->getConfigData('system')),
        ];
        foreach (array_merge(...array_map('array_keys', $layers)) as $scope) {
            $values = array_replace(...array_map(static fn (array $layer): array => $layer[$scope] ?? [], $layers));
            ksort($values);
            foreach ($values as $path => $value) {
                $isPrivate = $this->typePool->isPresent($path, TypePool::TYPE_SENSITIVE)
                    || $this->typePool->isPresent($path, TypePool::TYPE_ENVIRONMENT);
                if ($isPrivate === $private) {
                    $node = &$tree;
                    foreach ([...explode('/', $scope), ...explode('/', (string) $path)] as $key) {
                        $node = &$node[$key];
                    }
                    $node = $value;
                    unset($node);
                }
            }
        }

        return $tree;
    }

    /**
     * @return string[] "CONFIG__DEFAULT__A__B__C for a/b/c" for every sensitive path
     */
    public function sensitiveVariables(): array
    {
        return array_map(
            static fn (string $path): string
                => 'CONFIG__DEFAULT__' . strtoupper(str_replace('/', '__', $path)) . " for $path",
            $this->typePool->getPaths(TypePool::TYPE_SENSITIVE)
        );
    }

    private function cleanUp(): void
    {
        $this->config->reset();
        $this->cache->clean(['config']);
        $this->hash->regenerate('system');
    }
}
