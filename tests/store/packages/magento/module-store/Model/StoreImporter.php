<?php

declare(strict_types=1);

namespace Magento\Store\Model;

use Magento\Deploy\Model\DeploymentConfig\ImporterInterface;
use Magento\Framework\DB\Connection;

/**
 * Websites, groups and store views of config.php into the database, and back for app:config:dump.
 */
class StoreImporter implements ImporterInterface
{
    /** Table and key column by part of the section; parents first. */
    private const PARTS = [
        'websites' => ['store_website', 'website_id'],
        'groups' => ['store_group', 'group_id'],
        'stores' => ['store', 'store_id'],
    ];

    public function __construct(private Connection $connection)
    {
    }

    public function getWarningMessages(array $data): array
    {
        $messages = [];
        foreach (self::PARTS as $part => [$table, $key]) {
            $old = array_column($this->rows($table, $key), 'name', $key);
            $new = array_column($data[$part] ?? [], 'name', $key);
            $changes = ['deleted' => array_diff_key($old, $new), 'created' => array_diff_key($new, $old)];
            foreach ($changes as $verb => $names) {
                if ($names) {
                    $messages[] = sprintf('These %s will be %s: %s', ucfirst($part), $verb, implode(', ', $names));
                }
            }
        }

        return $messages;
    }

    public function import(array $data): array
    {
        $this->connection->transaction(function () use ($data): void {
            foreach (array_reverse(self::PARTS) as $part => [$table, $key]) {
                $wanted = array_column($data[$part] ?? [], null, $key);
                foreach ($this->rows($table, $key) as $row) {
                    if (!isset($wanted[$row[$key]])) {
                        $this->connection->query("DELETE FROM {{$table}} WHERE $key = ?", [$row[$key]]);
                    }
                }
            }
            $this->write($data);
        });

        return ['Stores were processed'];
    }

    /**
     * Writes rows over what is there; number 0, the admin's, is meant as it stands.
     *
     * @param array<string, mixed> $data
     */
    public function write(array $data): void
    {
        $mode = (string) $this->connection->fetchOne('SELECT @@sql_mode');
        $this->connection->query('SET sql_mode = ?', [$mode . ',NO_AUTO_VALUE_ON_ZERO']);
        foreach (self::PARTS as $part => [$table]) {
            foreach ($data[$part] ?? [] as $row) {
                $this->connection->insert($table, $row, true);
            }
        }
        $this->connection->query('SET sql_mode = ?', [$mode]);
    }

    /**
     * @return array<string, array<int|string, array<string, ?string>>>
     */
    public function export(): array
    {
        return [
            'websites' => array_column($this->rows('store_website', 'website_id'), null, 'code'),
            'groups' => $this->rows('store_group', 'group_id'),
            'stores' => array_column($this->rows('store', 'store_id'), null, 'code'),
        ];
    }

    /**
     * @return list<array<string, ?string>>
     */
    private function rows(string $table, string $key): array
    {
        return array_map(
            static fn (array $row): array
                => array_map(static fn (mixed $value): ?string => $value === null ? null : (string) $value, $row),
            $this->connection->fetchAll("SELECT * FROM {{$table}} ORDER BY $key")
        );
    }
}
