<?php

declare(strict_types=1);

namespace Magento\Framework\App\Config\Storage;

/**
 * Writes configuration values into the database; no cache is cleaned.
 */
interface WriterInterface
{
    /**
     * @param string $path
     * @param string $value
     * @param string $scope default, websites or stores
     * @param int $scopeId
     * @return void
     */
    public function save($path, $value, $scope = 'default', $scopeId = 0);
}
