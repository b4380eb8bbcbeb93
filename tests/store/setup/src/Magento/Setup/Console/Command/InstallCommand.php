<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Config\Model\Config\Storage;
use Magento\Deploy\Console\Command\ConfigImportCommand;
use Magento\Deploy\Model\DeploymentConfig\Hash;
use Magento\Framework\App\Cache;
use Magento\Framework\App\DeploymentConfig\Reader;
use Magento\Framework\App\DeploymentConfig\Writer;
use Magento\Framework\App\MaintenanceMode;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Framework\DB\Connection;
use Magento\Setup\Model\EnvOptions;
use Magento\Setup\Model\Installer;

/**
 * setup:install: env.php, schema, data. Source of order and messages: Magento 2.4.7, class of the same name.
 */
class InstallCommand extends Command
{
    public const NAME = 'setup:install';
    public const DESCRIPTION = 'Installs the Magento application';

    /** Options whose value goes to core_config_data. */
    private const SYSTEM = [
        'base-url' => 'web/unsecure/base_url',
        'base-url-secure' => 'web/secure/base_url',
        'use-secure' => 'web/secure/use_in_frontend',
        'language' => 'general/locale/code',
    ];
    private const IGNORED = [
        'currency', 'timezone', 'use-rewrites', 'use-secure-admin', 'admin-use-security-key', 'admin-user',
        'admin-password', 'admin-email', 'admin-firstname', 'admin-lastname', 'sales-order-increment-prefix',
        'search-engine', 'opensearch-host', 'opensearch-port', 'elasticsearch-host', 'elasticsearch-port',
        'enable-modules', 'magento-init-params',
    ];

    public function __construct(
        private Installer $installer,
        private Reader $reader,
        private Writer $writer,
        private Connection $connection,
        private MaintenanceMode $maintenanceMode,
        private Storage $storage,
        private Cache $cache,
        private Hash $hash,
        private ConfigImportCommand $importCommand
    ) {
    }

    public function options(): array
    {
        $options = [];
        foreach ([...EnvOptions::names(), ...array_keys(self::SYSTEM), ...self::IGNORED, 'disable-modules'] as $name) {
            $options[$name] = [null, self::REQUIRED, ''];
        }
        foreach (['cleanup-database', 'use-sample-data', 'db-ssl-verify', 'skip-db-validation'] as $name) {
            $options[$name] = [$name === 'skip-db-validation' ? 's' : null, self::NONE, ''];
        }

        return $options;
    }

    public function execute(Input $input, Output $output): int
    {
        $options = $input->getOptions();
        $env = array_replace_recursive(
            EnvOptions::defaults(),
            $this->reader->load(Reader::ENV),
            EnvOptions::toConfig($options)
        );
        try {
            $pdo = Connection::connect($env['db']['connection']['default']);
        } catch (\PDOException $e) {
            $output->writeln($e->getMessage());
            throw new \InvalidArgumentException('Parameter validation failed');
        }
        $output->writeln('Starting Magento installation:', 'Enabling Maintenance Mode...');
        $this->maintenanceMode->set(true);
        if ($options['cleanup-database']) {
            $pdo->exec('SET FOREIGN_KEY_CHECKS = 0');
            foreach ($pdo->query('SHOW TABLES')->fetchAll(\PDO::FETCH_COLUMN) as $table) {
                $pdo->exec("DROP TABLE `$table`");
            }
        }
        $output->writeln('Installing deployment configuration...');
        unset($env['install']);
        $this->writer->saveConfig(Reader::ENV, $env);
        $this->installer->saveModules(array_filter(explode(',', (string) $options['disable-modules'])));
        $output->writeln('Installing database schema:');
        $this->installer->installSchema($output);
        $output->writeln('Installing user configuration...');
        foreach (self::SYSTEM as $option => $path) {
            if (isset($options[$option])) {
                $this->storage->save('default', $path, (string) $options[$option]);
            }
        }
        $output->writeln('Installing data...');
        $this->installer->installData($output);
        $this->hash->regenerate();
        $output->writeln('Caches clearing:');
        $this->cache->clean();
        $output->writeln('Cache cleared successfully', 'Disabling Maintenance Mode:');
        $this->maintenanceMode->set(false);
        $output->writeln('Write installation date...');
        $this->writer->saveConfig(Reader::ENV, ['install' => ['date' => date('r')]]);
        $output->writeln(
            '[SUCCESS]: Magento installation complete.',
            '[SUCCESS]: Magento Admin URI: /' . $env['backend']['frontName']
        );

        return $this->importCommand->execute(new Input($this->importCommand, ['-n']), $output);
    }
}
