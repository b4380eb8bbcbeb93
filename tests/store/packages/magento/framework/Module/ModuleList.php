<?php

declare(strict_types=1);

namespace Magento\Framework\Module;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Component\ComponentRegistrar;

/**
 * Modules that config.php enables, in the order in which they load.
 */
class ModuleList
{
    public function __construct(private DeploymentConfig $deploymentConfig)
    {
    }

    /**
     * @return array<string, string> paths of the enabled modules by name, in load order
     */
    public function getPaths(): array
    {
        $paths = [];
        foreach ((array) $this->deploymentConfig->getConfigData('modules') as $name => $enabled) {
            $path = ComponentRegistrar::getPath(ComponentRegistrar::MODULE, $name);
            if ($enabled && $path !== null) {
                $paths[$name] = $path;
            }
        }

        return $paths;
    }

    /**
     * @return array<string, string> setup_version by module; modules without one are left out, as they have no
     *     row in setup_module
     */
    public function getVersions(): array
    {
        $versions = [];
        foreach ($this->getPaths() as $name => $path) {
            $version = (string) self::xml($path)['setup_version'];
            if ($version !== '') {
                $versions[$name] = $version;
            }
        }

        return $versions;
    }

    /**
     * All registered modules, dependencies ("sequence") first.
     *
     * @return string[]
     */
    public function getSortedRegistered(): array
    {
        $sorted = [];
        $visit = static function (string $name, string $path) use (&$visit, &$sorted): void {
            if (in_array($name, $sorted, true)) {
                return;
            }
            foreach (self::xml($path)->sequence->module ?? [] as $dependency) {
                $needed = (string) $dependency['name'];
                $neededPath = ComponentRegistrar::getPath(ComponentRegistrar::MODULE, $needed);
                if ($neededPath !== null) {
                    $visit($needed, $neededPath);
                }
            }
            $sorted[] = $name;
        };
        foreach (ComponentRegistrar::getPaths(ComponentRegistrar::MODULE) as $name => $path) {
            $visit($name, $path);
        }

        return $sorted;
    }

    /**
     * Files of this name in the enabled modules' etc folders, in load order.
     *
     * @return array<string, string> paths by module name
     */
    public function getConfigFiles(string $file): array
    {
        return array_filter(
            array_map(static fn (string $path): string => "$path/etc/$file", $this->getPaths()),
            'is_file'
        );
    }

    private static function xml(string $modulePath): \SimpleXMLElement
    {
        return simplexml_load_string((string) file_get_contents("$modulePath/etc/module.xml"))->module;
    }
}
