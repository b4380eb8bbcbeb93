<?php

/**
 * Checks every database connection and every cache storage, nothing else, as Magento's script of this name:
 * 500 if one cannot be reached.
 */

declare(strict_types=1);

use Magento\Framework\App\Cache;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\DB\Connection;

try {
    require __DIR__ . '/../app/bootstrap.php';

    $config = new DeploymentConfig(new DeploymentConfig\Reader());
    foreach ((array) $config->get('db/connection', []) as $connection) {
        Connection::connect($connection);
    }
    foreach ((array) $config->get('cache/frontend', []) as $frontend) {
        if (array_keys($frontend) === ['id_prefix']) {
            continue;
        }
        if (!isset($frontend['backend'], $frontend['backend_options'])) {
            throw new RuntimeException('Cache configuration is invalid');
        }
        if (str_ends_with($frontend['backend'], 'Redis')) {
            Cache::connect($frontend)->exists('test_cache_id');
        }
    }
} catch (Throwable $e) {
    http_response_code(500);
    error_log('health_check: ' . $e->getMessage());
    exit(1);
}
