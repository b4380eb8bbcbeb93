<?php

declare(strict_types=1);

namespace Magento\Framework\Setup\Patch;

/**
 * A patch of data.
 */
interface DataPatchInterface extends PatchInterface
{
    /**
     * @return string[] former names of the patch
     */
    public function getAliases();
}
