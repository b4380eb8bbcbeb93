<?php

/**
 * Runs the scheduled jobs over HTTP.
 */

declare(strict_types=1);

use Magento\Cron\Model\Schedule;
use Magento\Framework\App\Bootstrap;
use Magento\Framework\ObjectManager\Factory;

require __DIR__ . '/../app/bootstrap.php';

if (PHP_SAPI === 'cli') {
    echo "You cannot run this from the command line.\nRun \"php bin/magento cron:run\" instead.\n";
    exit(1);
}
$objectManager = (new Factory())->create('crontab');
Bootstrap::setObjectManager($objectManager);
$objectManager->get(Schedule::class)->run(isset($_GET['group']) ? [(string) $_GET['group']] : [], []);
