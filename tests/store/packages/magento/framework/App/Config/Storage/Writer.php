<?php

declare(strict_types=1);

namespace Magento\Framework\App\Config\Storage;

use Magento\Framework\DB\Connection;

class Writer implements WriterInterface
{
    public function __construct(private Connection $connection)
    {
    }

    public function save($path, $value, $scope = 'default', $scopeId = 0)
    {
        $this->connection->insert('core_config_data', [
            'scope' => $scope,
            'scope_id' => $scopeId,
            'path' => $path,
            'value' => $value,
        ], true);
    }
}
