<?php

declare(strict_types=1);

namespace Magento\Framework\DB;

use Magento\Framework\App\DeploymentConfig;

/**
 * The default database connection; connects on first use.
 *
 * Reads the parent array db/connection/default, as Magento does, so that MAGENTO_DC_DB__CONNECTION__DEFAULT__HOST
 * and #env() do not reach it.
 */
class Connection
{
    private const DEADLOCK = '40001';
    private const DEADLOCK_TRIES = 10;

    private ?\PDO $pdo = null;

    public function __construct(private DeploymentConfig $deploymentConfig)
    {
    }

    /**
     * @param array<string, mixed> $config a connection of env.php
     */
    public static function connect(array $config): \PDO
    {
        [$host, $port] = explode(':', (string) ($config['host'] ?? 'localhost'), 2) + [1 => null];
        $server = str_starts_with($host, '/') ? "unix_socket=$host" : "host=$host" . ($port ? ";port=$port" : '');
        $pdo = new \PDO(
            "mysql:$server;dbname={$config['dbname']};charset=utf8mb4",
            $config['username'] ?? '',
            $config['password'] ?? '',
            ($config['driver_options'] ?? []) + [
                \PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION,
                \PDO::ATTR_DEFAULT_FETCH_MODE => \PDO::FETCH_ASSOC,
                \PDO::ATTR_TIMEOUT => 5,
            ]
        );
        $pdo->exec("SET time_zone = '+00:00'");

        return $pdo;
    }

    public function pdo(): \PDO
    {
        if ($this->pdo === null) {
            $config = $this->deploymentConfig->get('db/connection/default');
            if (!is_array($config)) {
                throw new \DomainException('Connection "default" is not defined');
            }
            $this->pdo = self::connect($config);
        }

        return $this->pdo;
    }

    /**
     * A table's name with the prefix of env.php.
     */
    public function table(string $name): string
    {
        return $this->deploymentConfig->get('db/table_prefix', '') . $name;
    }

    /**
     * Runs a statement; {name} in it stands for table name with prefix. Outside of a transaction a deadlock's victim
     * is tried again.
     *
     * @param array<int|string, mixed> $values
     */
    public function query(string $sql, array $values = []): \PDOStatement
    {
        $sql = preg_replace_callback('/\{(\w+)\}/', fn (array $m): string => "`{$this->table($m[1])}`", $sql);
        $statement = $this->pdo()->prepare((string) $sql);
        for ($tries = self::DEADLOCK_TRIES;; $tries--) {
            try {
                $statement->execute($values);

                return $statement;
            } catch (\PDOException $e) {
                if ($e->getCode() !== self::DEADLOCK || $tries <= 1 || $this->pdo()->inTransaction()) {
                    throw $e;
                }
            }
        }
    }

    /**
     * @param array<int|string, mixed> $values
     * @return array<int, array<string, mixed>>
     */
    public function fetchAll(string $sql, array $values = []): array
    {
        return $this->query($sql, $values)->fetchAll();
    }

    /**
     * First column of the first row, false without a row.
     *
     * @param array<int|string, mixed> $values
     */
    public function fetchOne(string $sql, array $values = []): mixed
    {
        return $this->query($sql, $values)->fetchColumn();
    }

    /**
     * Inserts a row and returns its number; a row with the same key is overwritten when $replace says so.
     *
     * @param array<string, mixed> $row
     */
    public function insert(string $table, array $row, bool $replace = false): int
    {
        $columns = array_map(static fn (string $column): string => "`$column`", array_keys($row));
        $update = array_map(static fn (string $column): string => "$column = VALUES($column)", $columns);
        $this->query(
            "INSERT INTO {{$table}} (" . implode(', ', $columns) . ') VALUES ('
            . implode(', ', array_fill(0, count($row), '?')) . ')'
            . ($replace ? ' ON DUPLICATE KEY UPDATE ' . implode(', ', $update) : ''),
            array_values($row)
        );

        return (int) $this->pdo()->lastInsertId();
    }

    /**
     * Runs a function in a transaction.
     */
    public function transaction(\Closure $work): mixed
    {
        $this->pdo()->beginTransaction();
        try {
            $result = $work();
            $this->pdo()->commit();

            return $result;
        } catch (\Throwable $e) {
            if ($this->pdo()->inTransaction()) {
                $this->pdo()->rollBack();
            }
            throw $e;
        }
    }

    public function tableExists(string $name): bool
    {
        return (bool) $this->fetchOne(
            'SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
            [$this->table($name)]
        );
    }

    /**
     * Takes a lock of the database server that ends with this connection.
     */
    public function lock(string $name, int $seconds = 0): bool
    {
        return (bool) $this->fetchOne('SELECT GET_LOCK(CONCAT(DATABASE(), ?), ?)', [".$name", $seconds]);
    }

    public function unlock(string $name): void
    {
        $this->fetchOne('SELECT RELEASE_LOCK(CONCAT(DATABASE(), ?))', [".$name"]);
    }
}
