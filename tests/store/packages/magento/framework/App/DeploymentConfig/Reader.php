<?php

declare(strict_types=1);

namespace Magento\Framework\App\DeploymentConfig;

/**
 * Reads app/etc/config.php and app/etc/env.php, the second over the first.
 */
class Reader
{
    public const CONFIG = 'config.php';
    public const ENV = 'env.php';

    /**
     * app/etc, or where MAGE_DIRS says that it is.
     */
    public static function folder(): string
    {
        return $_SERVER['MAGE_DIRS']['etc']['path'] ?? BP . '/app/etc';
    }

    /**
     * @return array<string, mixed>
     */
    public function load(?string $file = null): array
    {
        $result = [];
        foreach ($file === null ? [self::CONFIG, self::ENV] : [$file] as $name) {
            $path = self::folder() . "/$name";
            if (!is_file($path)) {
                continue;
            }
            $data = include $path;
            if (!is_array($data)) {
                throw new \RuntimeException("Invalid configuration file: '$path'");
            }
            $result = array_replace_recursive($result, $data);
        }

        return $result;
    }
}
