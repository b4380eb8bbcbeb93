<?php

declare(strict_types=1);

namespace Magento\Framework;

use Magento\Framework\App\DeploymentConfig;

/**
 * The visitor's session: in Redis if env.php says session/save = redis, else in files under var/session.
 */
class Session
{
    public function __construct(private DeploymentConfig $deploymentConfig)
    {
    }

    public function get(string $key): mixed
    {
        $this->start();

        return $_SESSION[$key] ?? null;
    }

    public function set(string $key, mixed $value): void
    {
        $this->start();
        $_SESSION[$key] = $value;
    }

    public function close(): void
    {
        session_status() === PHP_SESSION_ACTIVE && session_write_close();
    }

    private function start(): void
    {
        if (session_status() === PHP_SESSION_ACTIVE) {
            return;
        }
        if ($this->deploymentConfig->get('session/save') === 'redis') {
            $host = (string) $this->deploymentConfig->get('session/redis/host', '127.0.0.1');
            $port = (string) $this->deploymentConfig->get('session/redis/port', '6379');
            $locking = !$this->deploymentConfig->get('session/redis/disable_locking', 0);
            session_module_name('redis');
            ini_set('redis.session.locking_enabled', $locking ? '1' : '0');
            ini_set('redis.session.lock_retries', '500');
            $options = array_filter([
                'database' => $this->deploymentConfig->get('session/redis/database', '0'),
                'auth' => $this->deploymentConfig->get('session/redis/password', ''),
                'timeout' => 2.5,
                'prefix' => 'sess_',
            ]);
            $server = str_starts_with($host, '/') ? "unix://$host" : "tcp://$host:$port";
            session_save_path($server . '?' . http_build_query($options));
        } else {
            is_dir(BP . '/var/session') || mkdir(BP . '/var/session', 0770, true);
            session_save_path(BP . '/var/session');
        }
        session_name('PHPSESSID');
        session_set_cookie_params(['lifetime' => 3600, 'path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
        if (!session_start()) {
            throw new \RuntimeException('The session cannot be started.');
        }
    }
}
