<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

/**
 * Which classes have plugins, in one area or in any.
 */
class PluginTypes
{
    /**
     * @param DiXml[] $areas every area's di.xml, by area code
     */
    public function __construct(private array $areas)
    {
    }

    /**
     * Whether any area has a plugin for this class; its interceptor is used in all areas then, as in Magento.
     */
    public function isIntercepted(string $class): bool
    {
        if (str_ends_with($class, '\\Interceptor') || str_ends_with($class, '\\Proxy')) {
            return false;
        }
        foreach (array_keys($this->areas) as $area) {
            if ($this->getPlugins($area, $class) && class_exists($class)) {
                return true;
            }
        }

        return false;
    }

    /**
     * @return array<string, list<array{0: string, 1: string}>> kind and plugin class by method, in running order
     */
    public function getPlugins(string $area, string $class): array
    {
        $plugins = [];
        foreach (self::lineage($class) as $ancestor) {
            $plugins += $this->areas[$area]->plugins[$ancestor] ?? [];
        }
        ksort($plugins);
        uasort($plugins, static fn (array $a, array $b): int => $a['sortOrder'] <=> $b['sortOrder']);
        $methods = [];
        foreach ($plugins as $plugin) {
            if (!class_exists($plugin['type'])) {
                throw new \RuntimeException("Plugin class {$plugin['type']} doesn't exist");
            }
            foreach (get_class_methods($plugin['type']) as $method) {
                if (preg_match('/^(before|around|after)([A-Z]\w*)$/', $method, $match)) {
                    $methods[lcfirst($match[2])][] = [$match[1], $plugin['type']];
                }
            }
        }
        ksort($methods);

        return $methods;
    }

    /**
     * @return string[] the class, its parents and its interfaces
     */
    public static function lineage(string $class): array
    {
        if (!class_exists($class) && !interface_exists($class)) {
            return [$class];
        }

        return [$class, ...array_values(class_parents($class)), ...array_values(class_implements($class))];
    }
}
