<?php

declare(strict_types=1);

namespace Magento\Setup\Model;

use Magento\Framework\App\Cache;

/**
 * Options of setup:install and setup:config:set that end in env.php.
 */
class EnvOptions
{
    /** Option => path in env.php. */
    private const PATHS = [
        'backend-frontname' => 'backend/frontName',
        'key' => 'crypt/key',
        'db-host' => 'db/connection/default/host',
        'db-name' => 'db/connection/default/dbname',
        'db-user' => 'db/connection/default/username',
        'db-password' => 'db/connection/default/password',
        'db-model' => 'db/connection/default/model',
        'db-engine' => 'db/connection/default/engine',
        'db-init-statements' => 'db/connection/default/initStatements',
        'db-prefix' => 'db/table_prefix',
        'session-save' => 'session/save',
        'session-save-redis-host' => 'session/redis/host',
        'session-save-redis-port' => 'session/redis/port',
        'session-save-redis-password' => 'session/redis/password',
        'session-save-redis-db' => 'session/redis/database',
        'session-save-redis-disable-locking' => 'session/redis/disable_locking',
        'cache-backend' => 'cache/frontend/default/backend',
        'cache-backend-redis-server' => 'cache/frontend/default/backend_options/server',
        'cache-backend-redis-port' => 'cache/frontend/default/backend_options/port',
        'cache-backend-redis-db' => 'cache/frontend/default/backend_options/database',
        'cache-backend-redis-password' => 'cache/frontend/default/backend_options/password',
        'cache-id-prefix' => 'cache/frontend/default/id_prefix',
        'amqp-host' => 'queue/amqp/host',
        'amqp-port' => 'queue/amqp/port',
        'amqp-user' => 'queue/amqp/user',
        'amqp-password' => 'queue/amqp/password',
        'amqp-virtualhost' => 'queue/amqp/virtualhost',
        'consumers-wait-for-messages' => 'queue/consumers_wait_for_messages',
        'lock-provider' => 'lock/provider',
        'document-root-is-pub' => 'directories/document_root_is_pub',
    ];

    /** Options that the commands take and do not use. */
    public const IGNORED = [
        'enable-debug-logging', 'enable-syslog-logging', 'remote-storage-driver', 'id_salt', 'config-async', 'amqp-ssl',
        'amqp-ssl-options', 'http-cache-hosts', 'db-ssl-key', 'db-ssl-cert', 'db-ssl-ca', 'session-save-redis-timeout',
        'session-save-redis-log-level', 'session-save-redis-max-concurrency', 'page-cache', 'page-cache-redis-server',
        'page-cache-redis-db', 'page-cache-redis-port', 'page-cache-redis-password', 'page-cache-id-prefix',
        'allow-parallel-generation', 'lock-db-prefix', 'queue-default-connection',
    ];

    /**
     * @return string[]
     */
    public static function names(): array
    {
        return [...array_keys(self::PATHS), ...self::IGNORED];
    }

    /**
     * What the given options mean in env.php.
     *
     * @param array<string, mixed> $options
     * @return array<string, mixed>
     */
    public static function toConfig(array $options): array
    {
        if (($options['cache-backend'] ?? null) === 'redis') {
            $options['cache-backend'] = 'Magento\\Framework\\Cache\\Backend\\Redis';
        }
        $config = [];
        foreach (self::PATHS as $option => $path) {
            if (!isset($options[$option])) {
                continue;
            }
            $node = &$config;
            foreach (explode('/', $path) as $key) {
                $node = &$node[$key];
            }
            $node = $options[$option];
            unset($node);
        }

        return $config;
    }

    /**
     * What setup:install writes where no option says otherwise.
     *
     * @return array<string, mixed>
     */
    public static function defaults(): array
    {
        return [
            'cache_types' => array_fill_keys(Cache::TYPES, 1),
            'backend' => ['frontName' => 'admin_' . bin2hex(random_bytes(3))],
            'cache' => ['frontend' => ['default' => ['id_prefix' => substr(hash('sha256', BP), 0, 3) . '_']]],
            'queue' => ['consumers_wait_for_messages' => 1],
            'crypt' => ['key' => 'base64' . base64_encode(random_bytes(32))],
            'db' => ['table_prefix' => '', 'connection' => ['default' => [
                'host' => 'localhost', 'dbname' => 'magento2', 'username' => 'root', 'password' => '',
                'model' => 'mysql4', 'engine' => 'innodb', 'initStatements' => 'SET NAMES utf8;', 'active' => '1',
            ]]],
            'resource' => ['default_setup' => ['connection' => 'default']],
            'x-frame-options' => 'SAMEORIGIN',
            'MAGE_MODE' => 'default',
            'session' => ['save' => 'files'],
            'lock' => ['provider' => 'db'],
            'directories' => ['document_root_is_pub' => true],
        ];
    }
}
