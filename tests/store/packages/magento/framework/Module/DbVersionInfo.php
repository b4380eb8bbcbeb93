<?php

declare(strict_types=1);

namespace Magento\Framework\Module;

use Magento\Framework\DB\Connection;

/**
 * Compares setup_version of the enabled modules with the table setup_module.
 */
class DbVersionInfo
{
    public function __construct(private ModuleList $moduleList, private Connection $connection)
    {
    }

    /**
     * @return list<array{module: string, type: string, current: string, required: string}>
     */
    public function getErrors(): array
    {
        $rows = array_column($this->connection->fetchAll('SELECT * FROM {setup_module}'), null, 'module');
        $errors = [];
        foreach ($this->moduleList->getVersions() as $module => $required) {
            foreach (['schema', 'data'] as $type) {
                $current = $rows[$module]["{$type}_version"] ?? 'none';
                if ($current === 'none' || version_compare($current, $required) !== 0) {
                    $errors[] = compact('module', 'type', 'current', 'required');
                }
            }
        }

        return $errors;
    }
}
