<?php

declare(strict_types=1);

namespace Magento\Framework;

use Magento\Framework\DB\Connection;

/**
 * Small values in the table flag; config_hash and system_config_snapshot are kept there.
 */
class Flag
{
    public function __construct(private Connection $connection)
    {
    }

    public function get(string $code): mixed
    {
        $data = $this->connection->fetchOne('SELECT flag_data FROM {flag} WHERE flag_code = ?', [$code]);

        return is_string($data) ? json_decode($data, true) : null;
    }

    public function set(string $code, mixed $data): void
    {
        $json = json_encode($data);
        $id = $this->connection->fetchOne('SELECT flag_id FROM {flag} WHERE flag_code = ?', [$code]);
        if ($id === false) {
            $this->connection->insert('flag', ['flag_code' => $code, 'flag_data' => $json]);
        } else {
            $this->connection->query('UPDATE {flag} SET flag_data = ? WHERE flag_id = ?', [$json, $id]);
        }
    }
}
