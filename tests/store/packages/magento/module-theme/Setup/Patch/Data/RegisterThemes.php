<?php

declare(strict_types=1);

namespace Magento\Theme\Setup\Patch\Data;

use Magento\Framework\Setup\Patch\PatchInterface;
use Magento\Theme\Model\ThemeImporter;

/**
 * The first rows of the table theme.
 */
class RegisterThemes implements PatchInterface
{
    public function __construct(private ThemeImporter $importer)
    {
    }

    public static function getDependencies(): array
    {
        return [];
    }

    public function apply(): void
    {
        $this->importer->register();
    }
}
