<?php

/**
 * Makes a static file that is not there. In production mode the answer is 404, unless
 * static_content_on_demand_in_production is set in env.php.
 *
 * Source of the behaviour: Magento 2.4.7, Magento\Framework\App\StaticResource.
 */

declare(strict_types=1);

use Magento\Deploy\Service\PackageDeployer;
use Magento\Framework\App\Bootstrap;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\State;
use Magento\Framework\ObjectManager\Factory;

require __DIR__ . '/../app/bootstrap.php';

$config = new DeploymentConfig(new DeploymentConfig\Reader());
$path = preg_replace('~^version\d+/~', '', (string) ($_GET['resource'] ?? ''));
$onDemand = !(new State($config))->isProduction() || $config->get('static_content_on_demand_in_production');

if (!$onDemand || !preg_match('~^(\w+)/(\w+/\w+)/(\w+)/(?!.*\.\.)(.+)$~', $path, $match)) {
    http_response_code(404);
    exit;
}
try {
    $objectManager = (new Factory())->create('frontend', true);
    Bootstrap::setObjectManager($objectManager);
    $options = array_fill_keys(
        ['no-javascript', 'no-css', 'no-less', 'no-html', 'no-images', 'no-fonts', 'no-misc'],
        false
    );
    $options['strategy'] = 'quick';
    $objectManager->get(PackageDeployer::class)->deploy($match[1], $match[2], $match[3], $options);
    $file = BP . "/pub/static/$path";
    if (!is_file($file)) {
        http_response_code(404);
        exit;
    }
    $types = ['css' => 'text/css', 'js' => 'application/javascript', 'svg' => 'image/svg+xml'];
    header('Content-Type: ' . ($types[pathinfo($file, PATHINFO_EXTENSION)] ?? 'application/octet-stream'));
    readfile($file);
} catch (Throwable $e) {
    http_response_code($e instanceof DomainException ? 404 : 500);
    error_log('static.php: ' . $e->getMessage());
}
