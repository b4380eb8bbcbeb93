<?php
/**
 * Makes Magento's generators list files in a certain order.
 *
 * Magento\Framework\App\Utility\Files::getFiles() calls glob() with GLOB_NOSORT, so the files of a
 * JavaScript bundle (Magento\Deploy\Service\Bundle) come in the order in which the file system
 * happens to list them: the same tree gives other bundles on another disk. PHP looks for an
 * unqualified function in the caller's namespace first, so this one stands before \glob() for
 * Laminas\Stdlib\Glob, through which Magento calls it. Used in the build alone.
 */

declare(strict_types=1);

namespace Laminas\Stdlib;

function glob(string $pattern, int $flags = 0): array|false
{
    return \glob($pattern, $flags & ~\GLOB_NOSORT);
}
