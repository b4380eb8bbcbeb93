<?php

declare(strict_types=1);

namespace Magento\Framework\Setup\Patch;

use Magento\Framework\DB\Connection;
use Magento\Framework\Module\ModuleList;
use Magento\Framework\ObjectManager\ObjectManagerInterface;

/**
 * Applies the patches that patch_list does not name yet.
 */
class PatchApplier
{
    public const DATA = 'Data';
    public const SCHEMA = 'Schema';

    public function __construct(
        private ModuleList $moduleList,
        private Connection $connection,
        private ObjectManagerInterface $objectManager
    ) {
    }

    /**
     * @return string[] classes of the patches of a module that are still to do
     */
    public function pending(string $module, string $kind): array
    {
        $done = array_column($this->connection->fetchAll('SELECT patch_name FROM {patch_list}'), 'patch_name');
        $classes = [];
        foreach (glob($this->moduleList->getPaths()[$module] . "/Setup/Patch/$kind/*.php") ?: [] as $file) {
            $classes[] = str_replace('_', '\\', $module) . "\\Setup\\Patch\\$kind\\" . basename($file, '.php');
        }

        return array_values(array_diff($classes, $done));
    }

    public function isUpToDate(string $kind): bool
    {
        foreach (array_keys($this->moduleList->getPaths()) as $module) {
            if ($this->pending($module, $kind)) {
                return false;
            }
        }

        return true;
    }

    public function apply(string $module, string $kind): void
    {
        foreach ($this->pending($module, $kind) as $class) {
            $this->applyPatch($class);
        }
    }

    private function applyPatch(string $class): void
    {
        if ($this->connection->fetchOne('SELECT 1 FROM {patch_list} WHERE patch_name = ?', [$class])) {
            return;
        }
        array_map($this->applyPatch(...), $class::getDependencies());
        try {
            $this->connection->transaction(function () use ($class): void {
                $this->objectManager->create($class)->apply();
                $this->connection->insert('patch_list', ['patch_name' => $class]);
            });
        } catch (\Throwable $e) {
            throw new \RuntimeException("Unable to apply patch $class. Original exception: {$e->getMessage()}", 0, $e);
        }
    }
}
