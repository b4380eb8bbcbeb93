<?php

declare(strict_types=1);

namespace Magento\Framework\Interception;

use Magento\Framework\ObjectManager\ObjectManagerInterface;

/**
 * Gives interceptors the plugins of a class.
 */
class PluginList
{
    /** @var array<string, array<string, list<array{0: string, 1: string}>>> */
    private array $loaded = [];

    /**
     * @param array<string, array<string, list<array{0: string, 1: string}>>>|\Closure $source compiled list, or a
     *     function of a class name
     */
    public function __construct(private ObjectManagerInterface $objectManager, private array|\Closure $source)
    {
    }

    /**
     * Name of an area's plugin list; Magento's file names have the pipes too.
     */
    public static function file(string $area): string
    {
        return BP . '/generated/metadata/primary|global|' . ($area === 'global' ? '' : "$area|") . 'plugin-list.php';
    }

    /**
     * @return array<string, array<string, list<array{0: string, 1: string}>>>
     */
    public static function read(string $area): array
    {
        return require self::file($area);
    }

    /**
     * @return list<array{0: string, 1: object}> kind (before, around, after) and plugin
     */
    public function get(string $class, string $method): array
    {
        $this->loaded[$class] ??= is_array($this->source) ? $this->source[$class] ?? [] : ($this->source)($class);

        return array_map(
            fn (array $plugin): array => [$plugin[0], $this->objectManager->get($plugin[1])],
            $this->loaded[$class][$method] ?? []
        );
    }
}
