<?php

declare(strict_types=1);

namespace Magento\Framework\Component;

/**
 * Register of modules, themes, language packs and libraries; filled by registration.php files.
 *
 * Source: Magento 2.4.7, Magento\Framework\Component\ComponentRegistrar.
 */
class ComponentRegistrar
{
    public const MODULE = 'module';
    public const LIBRARY = 'library';
    public const THEME = 'theme';
    public const LANGUAGE = 'language';

    /** @var array<string, array<string, string>> */
    private static array $paths = [];

    public static function register(string $type, string $name, string $path): void
    {
        $path = str_replace('\\', '/', $path);
        if (isset(self::$paths[$type][$name]) && self::$paths[$type][$name] !== $path) {
            throw new \LogicException(sprintf(
                "%s '%s' from '%s' has been already defined in '%s'.",
                ucfirst($type),
                $name,
                $path,
                self::$paths[$type][$name]
            ));
        }
        self::$paths[$type][$name] = $path;
    }

    /**
     * @return array<string, string> absolute paths by component name, sorted by name
     */
    public static function getPaths(string $type): array
    {
        $paths = self::$paths[$type] ?? [];
        ksort($paths);

        return $paths;
    }

    public static function getPath(string $type, string $name): ?string
    {
        return self::$paths[$type][$name] ?? null;
    }
}
