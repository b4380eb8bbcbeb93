<?php

declare(strict_types=1);

namespace Magento\Store\Setup\Patch\Schema;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Setup\Patch\PatchInterface;
use Magento\Store\Model\StoreImporter;

/**
 * The first websites, groups and store views: those of config.php, else Magento's own.
 */
class InitializeStoresAndWebsites implements PatchInterface
{
    public function __construct(private StoreImporter $importer, private DeploymentConfig $deploymentConfig)
    {
    }

    public static function getDependencies(): array
    {
        return [];
    }

    public function apply(): void
    {
        $this->importer->write((array) $this->deploymentConfig->getConfigData('scopes') ?: [
            'websites' => [
                ['website_id' => 0, 'code' => 'admin', 'name' => 'Admin'],
                ['website_id' => 1, 'code' => 'base', 'name' => 'Main Website', 'default_group_id' => 1,
                    'is_default' => 1],
            ],
            'groups' => [
                ['group_id' => 0, 'website_id' => 0, 'name' => 'Default', 'code' => 'default'],
                ['group_id' => 1, 'website_id' => 1, 'name' => 'Main Website Store', 'root_category_id' => 2,
                    'default_store_id' => 1, 'code' => 'main_website_store'],
            ],
            'stores' => [
                ['store_id' => 0, 'code' => 'admin', 'website_id' => 0, 'group_id' => 0, 'name' => 'Admin',
                    'is_active' => 1],
                ['store_id' => 1, 'code' => 'default', 'website_id' => 1, 'group_id' => 1,
                    'name' => 'Default Store View', 'is_active' => 1],
            ],
        ]);
    }
}
