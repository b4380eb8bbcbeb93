<?php

declare(strict_types=1);

namespace Magento\Framework\Setup;

use Magento\Framework\DB\Connection;

/**
 * The database, for patches.
 */
interface ModuleDataSetupInterface
{
    /**
     * @return Connection
     */
    public function getConnection();

    /**
     * A table's name with the prefix of env.php.
     *
     * @param string $tableName
     * @return string
     */
    public function getTable($tableName);
}
