<?php

declare(strict_types=1);

namespace Magento\Framework\App;

use Magento\Framework\Module\ModuleList;

/**
 * Action classes by name in lower case; compiled to generated/metadata/app_action_list.php.
 */
class ActionList
{
    private const FILE = BP . '/generated/metadata/app_action_list.php';

    public function __construct(private ModuleList $moduleList)
    {
    }

    /**
     * @return array<string, string>
     */
    public function read(): array
    {
        return is_file(self::FILE) ? require self::FILE : $this->collect();
    }

    /**
     * @return array<string, string>
     */
    public function collect(): array
    {
        $actions = [];
        foreach ($this->moduleList->getPaths() as $module => $path) {
            foreach (glob("$path/Controller/*/*.php") ?: [] as $file) {
                $class = str_replace('_', '\\', $module) . '\\Controller\\' . basename(dirname($file)) . '\\'
                    . basename($file, '.php');
                $actions[strtolower($class)] = $class;
            }
        }
        ksort($actions);

        return $actions;
    }
}
