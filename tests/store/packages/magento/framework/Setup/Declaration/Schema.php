<?php

declare(strict_types=1);

namespace Magento\Framework\Setup\Declaration;

use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\Component\ComponentRegistrar;
use Magento\Framework\DB\Connection;
use Magento\Framework\Module\ModuleList;

/**
 * Declarative schema: what db_schema.xml of app/etc and of the enabled modules say, against the database.
 *
 * What is no longer declared is dropped if some registered module's db_schema_whitelist.json names it, enabled or
 * not: disabling a module drops its tables, as in Magento (magento2#24926).
 */
class Schema
{
    private const TYPES = [
        'boolean' => 'tinyint(1)', 'json' => 'json', 'real' => 'double', 'blob' => 'blob', 'text' => 'text',
        'mediumtext' => 'mediumtext', 'longtext' => 'longtext', 'timestamp' => 'timestamp', 'datetime' => 'datetime',
        'date' => 'date', 'varchar' => 'varchar(%s)', 'varbinary' => 'varbinary(%s)',
    ];

    public function __construct(
        private ModuleList $moduleList,
        private Connection $connection
    ) {
    }

    /**
     * Statements that bring the database to the declaration: creation and addition first, drops last.
     *
     * @return string[]
     */
    public function diff(): array
    {
        $declared = $this->declared();
        $actual = $this->actual();
        $create = $foreign = $drop = [];
        foreach ($declared as $table => $wanted) {
            $name = "`{$this->connection->table($table)}`";
            if (!isset($actual[$table])) {
                $create[] = "CREATE TABLE $name (" . implode(', ', [
                    ...array_map(self::columnSql(...), array_keys($wanted['columns']), $wanted['columns']),
                    ...array_values($wanted['keys']),
                ]) . ") ENGINE={$wanted['engine']} DEFAULT CHARSET=utf8mb4 COMMENT='{$wanted['comment']}'";
            } else {
                foreach ($wanted['columns'] as $column => $definition) {
                    $current = $actual[$table]['columns'][$column] ?? null;
                    if ($current === null || $current !== self::comparable($definition)) {
                        $create[] = "ALTER TABLE $name " . ($current === null ? 'ADD' : 'MODIFY') . ' COLUMN '
                            . self::columnSql($column, $definition);
                    }
                }
                foreach (array_diff_key($wanted['keys'], $actual[$table]['keys']) as $sql) {
                    $create[] = "ALTER TABLE $name ADD $sql";
                }
            }
            foreach (array_diff_key($wanted['foreign'], $actual[$table]['keys'] ?? []) as $sql) {
                $foreign[] = "ALTER TABLE $name ADD $sql";
            }
        }
        foreach ($this->whitelist() as $table => $parts) {
            if (isset($actual[$table]) && !isset($declared[$table])) {
                $drop[] = "DROP TABLE `{$this->connection->table($table)}`";
                continue;
            }
            foreach (array_keys($parts['column'] ?? []) as $column) {
                if (isset($actual[$table]['columns'][$column]) && !isset($declared[$table]['columns'][$column])) {
                    $drop[] = "ALTER TABLE `{$this->connection->table($table)}` DROP COLUMN `$column`";
                }
            }
        }

        return [...$create, ...$foreign, ...$drop];
    }

    /**
     * @return array<string, array{columns: array<string, array<string, mixed>>, keys: array<string, string>,
     *     foreign: array<string, string>, engine: string, comment: string}>
     */
    private function declared(): array
    {
        $tables = [];
        $files = [Reader::folder() . '/db_schema.xml', ...array_values($this->moduleList->getConfigFiles('db_schema.xml'))];
        foreach ($files as $file) {
            $xml = simplexml_load_string((string) file_get_contents($file));
            foreach ($xml->table ?? [] as $node) {
                $name = (string) $node['name'];
                $tables[$name] ??= ['columns' => [], 'keys' => [], 'foreign' => []] + [
                    'engine' => (string) ($node['engine'] ?: 'innodb'),
                    'comment' => addslashes((string) $node['comment']),
                ];
                $this->readTable($node, $tables[$name]);
            }
        }

        return array_filter($tables, static fn (array $table): bool => $table['columns'] !== []);
    }

    /**
     * @param array<string, mixed> $table
     */
    private function readTable(\SimpleXMLElement $node, array &$table): void
    {
        foreach ($node->column as $column) {
            $attributes = array_map('strval', iterator_to_array($column->attributes() ?? new \ArrayIterator([])));
            $table['columns'][(string) $column['name']] = $attributes + [
                'type' => (string) $column->attributes('xsi', true)['type'],
            ];
            if ((string) $column['disabled'] === 'true') {
                unset($table['columns'][(string) $column['name']]);
            }
        }
        foreach ($node->constraint as $constraint) {
            $type = (string) $constraint->attributes('xsi', true)['type'];
            $id = (string) $constraint['referenceId'];
            if ($type === 'foreign') {
                $table['foreign'][$id] = sprintf(
                    'CONSTRAINT `%s` FOREIGN KEY (`%s`) REFERENCES `%s` (`%s`) ON DELETE %s',
                    $id,
                    $constraint['column'],
                    $this->connection->table((string) $constraint['referenceTable']),
                    $constraint['referenceColumn'],
                    $constraint['onDelete'] ?: 'NO ACTION'
                );
            } else {
                $kind = $type === 'primary' ? 'PRIMARY KEY' : "UNIQUE KEY `$id`";
                $table['keys'][$type === 'primary' ? 'PRIMARY' : $id] = $kind . self::columnList($constraint);
            }
        }
        foreach ($node->index as $index) {
            $table['keys'][(string) $index['referenceId']] = "KEY `{$index['referenceId']}`" . self::columnList($index);
        }
    }

    /**
     * @return array<string, array{columns: array<string, string>, keys: array<string, true>}>
     */
    private function actual(): array
    {
        $tables = [];
        $prefix = strlen($this->connection->table(''));
        $columns = $this->connection->fetchAll(
            'SELECT table_name t, column_name c, column_type y, is_nullable n, extra e, column_default d'
            . ' FROM information_schema.columns WHERE table_schema = DATABASE()'
        );
        foreach ($columns as $row) {
            $type = (string) preg_replace('/^((?:big|small|tiny|medium)?int)\(\d+\)/', '$1', $row['y']);
            $tables[substr($row['t'], $prefix)]['columns'][$row['c']] = self::signature(
                $type,
                $row['n'] === 'YES',
                stripos((string) $row['e'], 'on update') !== false,
                stripos((string) $row['d'], 'current_timestamp') !== false
            );
        }
        $keys = $this->connection->fetchAll(
            'SELECT table_name t, index_name k FROM information_schema.statistics WHERE table_schema = DATABASE()'
            . ' UNION SELECT table_name, constraint_name FROM information_schema.table_constraints'
            . ' WHERE table_schema = DATABASE()'
        );
        foreach ($keys as $row) {
            $tables[substr($row['t'], $prefix)]['keys'][$row['k']] = true;
        }

        return array_map(static fn (array $table): array => $table + ['columns' => [], 'keys' => []], $tables);
    }

    /**
     * @return array<string, array<string, array<string, bool>>>
     */
    private function whitelist(): array
    {
        $whitelist = [];
        foreach (ComponentRegistrar::getPaths(ComponentRegistrar::MODULE) as $path) {
            $file = "$path/etc/db_schema_whitelist.json";
            if (is_file($file)) {
                $whitelist = array_replace_recursive($whitelist, json_decode((string) file_get_contents($file), true));
            }
        }

        return $whitelist;
    }

    /**
     * @param array<string, mixed> $column
     */
    private static function type(array $column): string
    {
        if (str_ends_with($column['type'], 'int')) {
            return $column['type'] . (($column['unsigned'] ?? '') === 'true' ? ' unsigned' : '');
        }
        if ($column['type'] === 'decimal') {
            return sprintf('decimal(%d,%d)', $column['precision'] ?? 10, $column['scale'] ?? 0);
        }

        return sprintf(self::TYPES[$column['type']], $column['length'] ?? 255);
    }

    /**
     * @param array<string, mixed> $column
     */
    private static function columnSql(string $name, array $column): string
    {
        $sql = "`$name` " . self::type($column) . (($column['nullable'] ?? 'true') === 'false' ? ' NOT NULL' : ' NULL');
        $default = $column['default'] ?? null;
        if ($default !== null) {
            $sql .= ' DEFAULT ' . ($default === 'CURRENT_TIMESTAMP' ? $default : "'" . addslashes($default) . "'");
        }
        $sql .= ($column['on_update'] ?? '') === 'true' ? ' ON UPDATE CURRENT_TIMESTAMP' : '';
        $sql .= ($column['identity'] ?? '') === 'true' ? ' AUTO_INCREMENT' : '';

        return $sql . " COMMENT '" . addslashes((string) ($column['comment'] ?? '')) . "'";
    }

    /**
     * @param array<string, mixed> $column
     */
    private static function comparable(array $column): string
    {
        return self::signature(
            (string) preg_replace('/^((?:big|small|tiny|medium)?int)\(\d+\)/', '$1', self::type($column)),
            ($column['nullable'] ?? 'true') !== 'false',
            ($column['on_update'] ?? '') === 'true',
            ($column['default'] ?? '') === 'CURRENT_TIMESTAMP'
        );
    }

    /**
     * What of a column is compared. A timestamp's automatic values count, so that a server without
     * explicit_defaults_for_timestamp never agrees with the declaration (magento2#19597).
     */
    private static function signature(string $type, bool $nullable, bool $onUpdate, bool $now): string
    {
        $type = str_replace(['json', 'double'], ['longtext', 'double'], $type);

        return implode(' ', array_filter([
            $type,
            $nullable ? 'null' : 'not null',
            $onUpdate ? 'on update' : '',
            $now ? 'now' : '',
        ]));
    }

    private static function columnList(\SimpleXMLElement $node): string
    {
        $columns = [];
        foreach ($node->column as $column) {
            $columns[] = "`{$column['name']}`";
        }

        return ' (' . implode(', ', $columns) . ')';
    }
}
