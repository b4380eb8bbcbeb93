<?php

declare(strict_types=1);

namespace Kiln\Sample\Controller\Sample;

use Magento\Framework\App\ActionInterface;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\Request;
use Magento\Framework\App\Response;
use Magento\Framework\App\State;
use Magento\Framework\DB\Connection;
use Magento\Framework\View\Asset;

/**
 * /kiln/sample/whoami: which release in which container answers.
 */
class Whoami implements ActionInterface
{
    public function __construct(
        private Asset $asset,
        private State $state,
        private DeploymentConfig $deploymentConfig,
        private Connection $connection
    ) {
    }

    public function execute(Request $request): Response
    {
        return Response::json([
            'content_version' => $this->asset->getVersion(),
            'hostname' => gethostname(),
            'pid' => getmypid(),
            'mode' => $this->state->getMode(),
            'php' => PHP_VERSION,
            'db' => $this->isDbReachable(),
        ]);
    }

    /**
     * Null without a database in env.php.
     */
    private function isDbReachable(): ?bool
    {
        if (!$this->deploymentConfig->isDbAvailable()) {
            return null;
        }
        try {
            return (int) $this->connection->fetchOne('SELECT 1') === 1;
        } catch (\PDOException) {
            return false;
        }
    }
}
