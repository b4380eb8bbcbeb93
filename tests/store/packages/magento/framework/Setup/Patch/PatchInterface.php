<?php

declare(strict_types=1);

namespace Magento\Framework\Setup\Patch;

/**
 * A change of data or schema that is made once, in a module's Setup/Patch/{Data,Schema}.
 */
interface PatchInterface
{
    /**
     * @return mixed
     */
    public function apply();

    /**
     * @return string[] classes of the patches that must come first
     */
    public static function getDependencies();
}
