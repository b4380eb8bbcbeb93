<?php

declare(strict_types=1);

namespace Magento\Config\Model\Config;

/**
 * Which paths are sensitive and which differ from system to system; di.xml files of all modules fill it.
 *
 * Source: Magento 2.4.7, class of the same name.
 */
class TypePool
{
    public const TYPE_SENSITIVE = 'sensitive';
    public const TYPE_ENVIRONMENT = 'environment';

    /**
     * @param array<string, string> $sensitive
     * @param array<string, string> $environment
     */
    public function __construct(private array $sensitive = [], private array $environment = [])
    {
    }

    public function isPresent(string $path, string $type): bool
    {
        return in_array($path, $this->getPaths($type), true);
    }

    /**
     * @return string[]
     */
    public function getPaths(string $type): array
    {
        return array_keys(array_filter(
            $type === self::TYPE_SENSITIVE ? $this->sensitive : $this->environment,
            static fn (mixed $value): bool => filter_var($value, FILTER_VALIDATE_BOOLEAN)
        ));
    }
}
