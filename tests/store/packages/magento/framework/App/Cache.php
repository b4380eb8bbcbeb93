<?php

declare(strict_types=1);

namespace Magento\Framework\App;

/**
 * The cache of cache/frontend/default in env.php: Redis, or files under var/cache.
 *
 * Entries and tags carry cache/frontend/default/id_prefix. Its default is made of the path of app/etc alone, as in
 * Magento, and so is the same in every container: releases that share a Redis without a prefix of their own share
 * their entries.
 */
class Cache
{
    public const TYPES = [
        'config', 'layout', 'block_html', 'collections', 'reflection', 'db_ddl', 'compiled_config', 'eav',
        'config_integration', 'full_page', 'config_webservice', 'translate',
    ];

    private ?\Redis $redis = null;

    /** @var array<string, mixed> */
    private array $frontend;
    private string $prefix;

    public function __construct(private DeploymentConfig $deploymentConfig)
    {
        $this->frontend = (array) ($deploymentConfig->get('cache/frontend')['default'] ?? []);
        $default = substr(md5(DeploymentConfig\Reader::folder()), 0, 3) . '_';
        $this->prefix = (string) ($this->frontend['id_prefix'] ?? $default);
    }

    public function isEnabled(string $type): bool
    {
        return (bool) $this->deploymentConfig->get("cache_types/$type");
    }

    public function load(string $type, string $id): ?string
    {
        if (!$this->isEnabled($type)) {
            return null;
        }
        if ($this->isRedis()) {
            $value = $this->redis()->hGet("zc:k:$this->prefix$id", 'd');
            return $value === false ? null : $value;
        }
        $file = $this->file($type, $id);

        return is_file($file) ? (string) file_get_contents($file) : null;
    }

    public function save(string $type, string $id, string $value): void
    {
        if (!$this->isEnabled($type)) {
            return;
        }
        if ($this->isRedis()) {
            $this->redis()->hMSet("zc:k:$this->prefix$id", ['d' => $value, 't' => strtoupper($type)]);
            $this->redis()->sAdd("zc:ti:$this->prefix" . strtoupper($type), $this->prefix . $id);
            return;
        }
        $file = $this->file($type, $id);
        if (is_dir(dirname($file)) || @mkdir(dirname($file), 0775, true) || is_dir(dirname($file))) {
            file_put_contents($file . getmypid(), $value);
            rename($file . getmypid(), $file);
        }
    }

    /**
     * Removes the entries of some types under this shop's prefix.
     *
     * @param string[] $types
     */
    public function clean(array $types = self::TYPES): void
    {
        foreach ($types as $type) {
            if ($this->isRedis()) {
                $tag = "zc:ti:$this->prefix" . strtoupper($type);
                foreach ($this->redis()->sMembers($tag) as $id) {
                    $this->redis()->del("zc:k:$id");
                }
                $this->redis()->del($tag);
            }
            array_map('unlink', glob(BP . "/var/cache/mage--$type/*") ?: []);
        }
    }

    /**
     * Empties the storage, whoever else uses it.
     */
    public function flush(): void
    {
        if ($this->isRedis()) {
            $this->redis()->flushDB();
        }
        $this->clean();
    }

    /**
     * Opens the storage of a cache/frontend entry; an exception says that it cannot be reached.
     *
     * @param array<string, mixed> $frontend
     */
    public static function connect(array $frontend): \Redis
    {
        $options = $frontend['backend_options'] ?? [];
        $redis = new \Redis();
        $host = (string) ($options['server'] ?? '127.0.0.1');
        $redis->connect($host, str_starts_with($host, '/') ? 0 : (int) ($options['port'] ?? 6379), 2.5);
        if (($options['password'] ?? '') !== '') {
            $redis->auth($options['password']);
        }
        $redis->select((int) ($options['database'] ?? 0));

        return $redis;
    }

    private function isRedis(): bool
    {
        return str_ends_with((string) ($this->frontend['backend'] ?? ''), 'Redis');
    }

    private function redis(): \Redis
    {
        return $this->redis ??= self::connect($this->frontend);
    }

    private function file(string $type, string $id): string
    {
        return BP . "/var/cache/mage--$type/mage---$this->prefix" . strtoupper($id);
    }
}
