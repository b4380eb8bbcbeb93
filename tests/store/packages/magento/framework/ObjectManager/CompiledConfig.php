<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

/**
 * Reads generated/metadata/<area>.php; what is not there cannot be made.
 *
 * Stricter than Magento, which falls back to reflection: a broken compile must show in the tests.
 */
class CompiledConfig implements ConfigInterface
{
    /** @var array{arguments: array<string, mixed>, preferences: string[], instanceTypes: string[]} */
    private array $data;

    public function __construct(private string $area)
    {
        $file = self::file($area);
        if (!is_file($file)) {
            throw new \RuntimeException(
                "$file is missing. Run \"bin/magento setup:di:compile\" before the shop runs in production mode."
            );
        }
        $this->data = require $file;
    }

    public static function file(string $area): string
    {
        return BP . "/generated/metadata/$area.php";
    }

    public function getPreference(string $type): string
    {
        return $this->data['preferences'][$type] ?? $type;
    }

    public function getInstanceType(string $type): string
    {
        return $this->data['instanceTypes'][$type] ?? $type;
    }

    public function getArguments(string $type): array
    {
        if (!array_key_exists($type, $this->data['arguments'])) {
            throw new \RuntimeException(
                "Type \"$type\" is not in generated/metadata/{$this->area}.php. Run \"bin/magento setup:di:compile\"."
            );
        }

        return $this->data['arguments'][$type] ?? [];
    }
}
