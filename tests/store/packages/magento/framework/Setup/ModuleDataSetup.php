<?php

declare(strict_types=1);

namespace Magento\Framework\Setup;

use Magento\Framework\DB\Connection;

class ModuleDataSetup implements ModuleDataSetupInterface
{
    public function __construct(private Connection $connection)
    {
    }

    public function getConnection()
    {
        return $this->connection;
    }

    public function getTable($tableName)
    {
        return $this->connection->table($tableName);
    }
}
