<?php

declare(strict_types=1);

namespace Magento\Setup\Model;

use Magento\Framework\App\Cache;
use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\App\DeploymentConfig\Writer;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Output;
use Magento\Framework\DB\Connection;
use Magento\Framework\Module\DbVersionInfo;
use Magento\Framework\Module\ModuleList;
use Magento\Framework\Setup\Declaration\Schema;
use Magento\Framework\Setup\Patch\PatchApplier;

/**
 * Steps of setup:install, setup:upgrade and its split form. Source of order and messages: Magento 2.4.7, class of
 * the same name.
 */
class Installer
{
    /** Tables that Magento makes in code, before any declaration. */
    private const SETUP_TABLES = [
        'CREATE TABLE IF NOT EXISTS {setup_module} (module VARCHAR(50) NOT NULL PRIMARY KEY,'
            . ' schema_version VARCHAR(50), data_version VARCHAR(50))',
        'CREATE TABLE IF NOT EXISTS {flag} (flag_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,'
            . ' flag_code VARCHAR(255) NOT NULL, state SMALLINT UNSIGNED NOT NULL DEFAULT 0, flag_data MEDIUMTEXT,'
            . ' last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)',
    ];

    /** What setup:upgrade removes without --keep-generated. */
    private const GENERATED = [
        'generated/code/*', 'generated/metadata/*', 'pub/static/deployed_version.txt', 'var/view_preprocessed/*',
    ];

    public function __construct(
        private ModuleList $moduleList,
        private Reader $reader,
        private Writer $writer,
        private Cache $cache,
        private Connection $connection,
        private Schema $schema,
        private PatchApplier $patchApplier,
        private DbVersionInfo $dbVersionInfo
    ) {
    }

    /**
     * Clears caches and, unless told to keep them, generated files; rewrites the module list of config.php.
     */
    public function updateModulesSequence(bool $keepGenerated, Output $output): void
    {
        // The whole storage, whoever else uses it: Magento flushes the backend of the type.
        $this->cache->flush();
        $output->writeln('Cache types config flushed successfully', 'Cache cleared successfully');
        if (!$keepGenerated) {
            $output->writeln('File system cleanup:');
            foreach (self::GENERATED as $pattern) {
                foreach (glob(BP . "/$pattern") ?: [] as $path) {
                    Cli::remove($path);
                    $output->writeln($path);
                }
            }
        }
        $output->writeln('Updating modules:');
        $this->saveModules([]);
    }

    /**
     * Writes config.php with every registered module, new ones enabled, in load order.
     *
     * Writes always, as Magento does: a read-only app/etc is an error.
     *
     * @param string[] $disabled
     */
    public function saveModules(array $disabled): void
    {
        $old = $this->reader->load(Reader::CONFIG)['modules'] ?? [];
        $modules = [];
        foreach ($this->moduleList->getSortedRegistered() as $name) {
            $modules[$name] = in_array($name, $disabled, true) ? 0 : ($old[$name] ?? 1);
        }
        $this->writer->saveConfig(Reader::CONFIG, ['modules' => $modules], true);
    }

    public function installSchema(Output $output): void
    {
        $output->writeln('Schema creation/updates:');
        foreach (self::SETUP_TABLES as $sql) {
            $this->connection->query($sql);
        }
        foreach ($this->schema->diff() as $sql) {
            $this->connection->pdo()->exec('SET FOREIGN_KEY_CHECKS = 0');
            $this->connection->pdo()->exec($sql);
            $this->connection->pdo()->exec('SET FOREIGN_KEY_CHECKS = 1');
        }
        $this->upgradeModules('schema', PatchApplier::SCHEMA, $output);
    }

    public function installData(Output $output): void
    {
        $output->writeln('Data install/update:');
        $this->upgradeModules('data', PatchApplier::DATA, $output);
    }

    private function upgradeModules(string $type, string $patches, Output $output): void
    {
        $versions = $this->moduleList->getVersions();
        foreach (array_keys($this->moduleList->getPaths()) as $module) {
            $output->writeln("Module '$module':");
            $this->patchApplier->apply($module, $patches);
            if (isset($versions[$module])) {
                $this->connection->insert(
                    'setup_module',
                    ['module' => $module, "{$type}_version" => $versions[$module]],
                    true
                );
            }
        }
    }

    /**
     * What setup:db:status says is not up to date.
     *
     * @return string[]
     */
    public function getDifferences(): array
    {
        foreach (self::SETUP_TABLES as $sql) {
            preg_match('/\{(\w+)\}/', $sql, $match);
            if (!$this->connection->tableExists($match[1]) || !$this->connection->tableExists('patch_list')) {
                return ['Declarative Schema is not up to date'];
            }
        }
        $messages = [];
        $this->schema->diff() && $messages[] = 'Declarative Schema is not up to date';
        $this->patchApplier->isUpToDate(PatchApplier::SCHEMA) || $messages[] = 'Schema patches are not up to date';
        $this->patchApplier->isUpToDate(PatchApplier::DATA) || $messages[] = 'Data patches are not up to date';
        $newer = false;
        foreach ($this->dbVersionInfo->getErrors() as $error) {
            $newer = $newer || ($error['current'] !== 'none'
                && version_compare($error['current'], $error['required'], '>'));
            $messages[] = sprintf('%20s %10s: %11s  ->  %-11s', ...array_values($error));
        }
        if ($newer) {
            $messages[] = "The module code base doesn't match the DB schema and data.";
            $messages[] = 'Some modules use code versions newer or older than the database.';
        }

        return $messages;
    }
}
