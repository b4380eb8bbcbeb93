<?php

declare(strict_types=1);

namespace Magento\Deploy\Model\DeploymentConfig;

/**
 * Brings one section of config.php into the database.
 */
interface ImporterInterface
{
    /**
     * What the import will change; the user is asked about it.
     *
     * @param array<string, mixed> $data
     * @return string[]
     */
    public function getWarningMessages(array $data): array;

    /**
     * @param array<string, mixed> $data
     * @return string[] messages
     */
    public function import(array $data): array;
}
