<?php

declare(strict_types=1);

namespace Acme\Shop\Setup\Patch\Data;

use Magento\Framework\App\Config\Storage\WriterInterface;
use Magento\Framework\Setup\ModuleDataSetupInterface;
use Magento\Framework\Setup\Patch\DataPatchInterface;

/**
 * Sets acme/text/welcome once, when the shop is upgraded; the Admin can change it afterwards.
 */
class SetAcmeTextWelcomeStoresGerman969C8A67 implements DataPatchInterface
{
    public function __construct(
        private WriterInterface $writer,
        private ModuleDataSetupInterface $setup
    ) {
    }

    public function apply()
    {
        $this->writer->save(
            'acme/text/welcome',
            '1',
            'stores',
            $this->scopeId()
        );

        return $this;
    }

    public static function getDependencies()
    {
        return [];
    }

    public function getAliases()
    {
        return [];
    }

    /**
     * Asks the database: what config.php adds is imported only after the patches have run.
     */
    private function scopeId(): int
    {
        $table = $this->setup->getTable('store');
        $id = $this->setup->getConnection()->fetchOne(
            "SELECT store_id FROM {$table} WHERE code = ?",
            ['german']
        );
        if ($id === false) {
            throw new \RuntimeException(
                'The database has no german in ' . $table
                . '. Deploy the release that adds it to config.php first.'
            );
        }

        return (int) $id;
    }
}
