<?php

declare(strict_types=1);

namespace Magento\Framework\App;

use Magento\Framework\App\DeploymentConfig\Reader;

/**
 * app/etc/config.php and env.php, with the overrides that the environment may make.
 *
 * Imitates Magento 2.4.7's class of this name, its trap included (magento2#39026, #41206): MAGENTO_DC_* and
 * #env() change *leaves* of the flattened data alone. Who reads a parent array, as the readers of
 * db/connection/default, cache/frontend and queue/amqp do, sees the file's value. MAGENTO_DC__OVERRIDE (JSON)
 * reaches everything, but replaces whole top-level sections.
 */
class DeploymentConfig
{
    private const PREFIX = 'MAGENTO_DC_';
    private const OVERRIDE = 'MAGENTO_DC__OVERRIDE';
    private const ENV_VALUE = '~^#env\(\s*(?<name>\w+)\s*(,\s*"(?<default>[^"]+)")?\)$~';

    /** @var array<string, mixed>|null */
    private ?array $data = null;

    /** @var array<string, mixed>|null */
    private ?array $flat = null;

    public function __construct(private Reader $reader)
    {
    }

    /**
     * Value at a path such as db/connection/default, from the flattened data.
     */
    public function get(string $path, mixed $default = null): mixed
    {
        $this->flat ??= $this->environmentOverrides() + $this->flatten($this->getConfigData());
        if (array_key_exists($path, $this->flat) && $this->flat[$path] === null) {
            return '';
        }

        return $this->flat[$path] ?? $default;
    }

    /**
     * A top-level section as the files and MAGENTO_DC__OVERRIDE say it; null for an absent one.
     */
    public function getConfigData(?string $section = null): mixed
    {
        if ($this->data === null) {
            $override = json_decode((string) getenv(self::OVERRIDE), true);
            $this->data = array_replace($this->reader->load(), is_array($override) ? $override : []);
        }

        return $section === null ? $this->data : ($this->data[$section] ?? null);
    }

    /**
     * Whether the shop is installed: the mark is install/date in env.php.
     */
    public function isAvailable(): bool
    {
        return $this->get('install/date') !== null;
    }

    public function isDbAvailable(): bool
    {
        return $this->getConfigData('db') !== null;
    }

    public function resetData(): void
    {
        $this->data = $this->flat = null;
    }

    /**
     * @return array<string, string>
     */
    private function environmentOverrides(): array
    {
        $overrides = [];
        foreach (getenv() as $name => $value) {
            if (str_contains($name, self::PREFIX) && $name !== self::OVERRIDE) {
                $overrides[strtolower(str_replace([self::PREFIX, '__'], ['', '/'], $name))] = $value;
            }
        }

        return $overrides;
    }

    /**
     * @param array<int|string, mixed> $data
     * @return array<string, mixed>
     */
    private function flatten(array $data, string $prefix = ''): array
    {
        $flat = [];
        foreach ($data as $key => $value) {
            $path = $prefix . $key;
            if (is_array($value)) {
                $flat += [$path => $value] + $this->flatten($value, $path . '/');
                continue;
            }
            if (is_string($value) && preg_match(self::ENV_VALUE, $value, $match)) {
                $value = getenv($match['name']) ?: ($match['default'] ?? null);
            }
            $flat[$path] = $value;
        }

        return $flat;
    }
}
