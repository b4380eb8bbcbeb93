<?php
/**
 * What the classes that use a setting have of it, as JSON: in Magento, or in the miniature shop, whose
 * framework imitates them. The settings that are asked for come as JSON in KILN_PROBE_SETTINGS.
 */

declare(strict_types=1);

use Magento\Framework\App\DeploymentConfig;

require '/app/app/bootstrap.php';

$asked = json_decode((string) getenv('KILN_PROBE_SETTINGS'), true) ?: [];
$isMagento = method_exists(\Magento\Framework\App\Bootstrap::class, 'create');

try {
    $answer = $isMagento ? askMagento($asked) : askMiniature($asked);
} catch (\Throwable $e) {
    $answer = ['error' => get_class($e) . ': ' . $e->getMessage() . ' ' . $e->getTraceAsString()];
}
echo json_encode($answer + ['magento' => $isMagento], JSON_THROW_ON_ERROR);

function askMagento(array $asked): array
{
    $manager = \Magento\Framework\App\Bootstrap::create(BP, $_SERVER)->getObjectManager();
    $deployment = $manager->get(DeploymentConfig::class);
    $config = $manager->get(\Magento\Framework\App\Config\ScopeConfigInterface::class);
    $resource = $manager->get(\Magento\Framework\App\ResourceConnection::class);
    $encryptor = $manager->get(\Magento\Framework\Encryption\EncryptorInterface::class);
    $frontends = $manager->get(\Magento\Framework\App\Cache\Frontend\Pool::class);
    $redis = $manager->get(\Magento\Framework\Session\SaveHandler\Redis\Config::class);
    $amqp = $manager->get(\Magento\Framework\Amqp\Config::class);
    $state = $manager->get(\Magento\Framework\App\Cache\StateInterface::class);
    $connection = $resource->getConnection();
    $values = [];
    foreach ($asked as [$path, $scope, $code]) {
        $values[] = $config->getValue($path, $scope, $code);
    }

    return [
        'settings' => $values,
        'db/connection/default/host' => $connection->getConfig()['host'],
        'db/connection/default/password' => $connection->getConfig()['password'],
        'db/table_prefix' => $resource->getTablePrefix(),
        'database user' => $connection->fetchOne('SELECT CURRENT_USER()'),
        'crypt/key' => $encryptor->exportKeys(),
        'encrypts' => $encryptor->decrypt($encryptor->encrypt('text')),
        'cache/frontend/default/id_prefix' => $frontends->get('default')->getLowLevelFrontend()
            ->getOption('cache_id_prefix'),
        'cache/frontend/page_cache/id_prefix' => $frontends->get('page_cache')->getLowLevelFrontend()
            ->getOption('cache_id_prefix'),
        'cache backend' => get_class($frontends->get('default')->getBackend()),
        'session/save' => $deployment->get('session/save'),
        'session/redis/host' => $redis->getHost(),
        'session/redis/password' => $redis->getPassword(),
        'queue/amqp/host' => $amqp->getValue('host'),
        'queue/amqp/password' => $amqp->getValue('password'),
        'deployment/blue_green/enabled' => $deployment->get('deployment/blue_green/enabled'),
        'install/date' => $deployment->get('install/date'),
        'backend/frontName' => $manager->get(\Magento\Backend\App\Area\FrontNameResolver::class)->getFrontName(),
        'compiled_config' => $state->isEnabled('compiled_config'),
        'hashed' => $manager->get(\Magento\Deploy\Model\DeploymentConfig\DataCollector::class)->getConfig('system'),
    ];
}

function askMiniature(array $asked): array
{
    $manager = (new \Magento\Framework\ObjectManager\Factory())->create('frontend');
    $deployment = $manager->get(DeploymentConfig::class);
    $config = $manager->get(\Magento\Framework\App\Config::class);
    $connection = $manager->get(\Magento\Framework\DB\Connection::class);
    $values = [];
    foreach ($asked as [$path, $scope, $code]) {
        $values[] = match ($scope) {
            'website' => $config->all()["websites/$code"][$path] ?? $config->getValue($path),
            default => $config->getValue($path, $code),
        };
    }
    $frontends = $deployment->get('cache/frontend');
    $queue = $deployment->getConfigData('queue');

    return [
        'settings' => $values,
        'db/connection/default/host' => $deployment->get('db/connection/default')['host'],
        'db/connection/default/password' => $deployment->get('db/connection/default')['password'],
        'db/table_prefix' => $deployment->get('db/table_prefix'),
        'database user' => $connection->fetchOne('SELECT CURRENT_USER()'),
        'crypt/key' => $deployment->get('crypt/key'),
        'encrypts' => 'text',
        'cache/frontend/default/id_prefix' => $frontends['default']['id_prefix'],
        'cache/frontend/page_cache/id_prefix' => $frontends['page_cache']['id_prefix'],
        'cache backend' => $frontends['default']['backend'] ?? '',
        'session/save' => $deployment->get('session/save'),
        'session/redis/host' => $deployment->get('session/redis/host'),
        'session/redis/password' => $deployment->get('session/redis/password'),
        'queue/amqp/host' => $queue['amqp']['host'],
        'queue/amqp/password' => $queue['amqp']['password'],
        'deployment/blue_green/enabled' => $deployment->get('deployment/blue_green/enabled'),
        'install/date' => $deployment->get('install/date'),
        'backend/frontName' => $deployment->get('backend/frontName'),
        'compiled_config' => $manager->get(\Magento\Framework\App\Cache::class)->isEnabled('compiled_config'),
        'hashed' => $deployment->getConfigData('system'),
    ];
}
