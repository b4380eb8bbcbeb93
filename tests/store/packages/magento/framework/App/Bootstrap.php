<?php

declare(strict_types=1);

namespace Magento\Framework\App;

use Magento\Framework\ObjectManager\Factory;
use Magento\Framework\ObjectManager\ObjectManager;

/**
 * Entry point of the web scripts: makes the object manager, answers the request, reports what goes wrong.
 */
class Bootstrap
{
    private static ?ObjectManager $objectManager = null;

    public static function getObjectManager(): ObjectManager
    {
        return self::$objectManager ?? throw new \LogicException("ObjectManager isn't initialized");
    }

    public static function setObjectManager(ObjectManager $objectManager): void
    {
        self::$objectManager = $objectManager;
    }

    public static function run(string $area = 'frontend'): void
    {
        try {
            $objectManager = (new Factory())->create($area);
            self::setObjectManager($objectManager);
            if ($objectManager->get(MaintenanceMode::class)->isOn((string) ($_SERVER['REMOTE_ADDR'] ?? ''))) {
                require BP . '/pub/errors/503.php';
                return;
            }
            $objectManager->get(FrontController::class)->dispatch(new Request())->send();
        } catch (\Throwable $e) {
            self::report($e);
        }
    }

    /**
     * Answers 500 and keeps the fault in var/report, as Magento's pub/errors/report.php does; the visitor sees only
     * its number, except in developer mode.
     */
    private static function report(\Throwable $e): void
    {
        $id = hash('sha256', uniqid((string) getmypid(), true));
        $folder = BP . '/var/report/' . substr($id, 0, 2) . '/' . substr($id, 2, 2);
        if (is_dir($folder) || @mkdir($folder, 0775, true)) {
            @file_put_contents("$folder/$id", json_encode([
                get_class($e) . ': ' . $e->getMessage(),
                $e->getTraceAsString(),
                'url' => $_SERVER['REQUEST_URI'] ?? '',
                'script_name' => $_SERVER['SCRIPT_NAME'] ?? '',
                'report_id' => $id,
            ]));
        }
        error_log(get_class($e) . ': ' . $e->getMessage() . ' in ' . $e->getFile() . ':' . $e->getLine());
        http_response_code(500);
        $developer = ($_SERVER['MAGE_MODE'] ?? getenv('MAGE_MODE')) === State::MODE_DEVELOPER;
        $detail = $developer ? (string) $e : '';
        require BP . '/pub/errors/report.php';
    }
}
