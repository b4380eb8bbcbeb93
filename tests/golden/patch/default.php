<?php

declare(strict_types=1);

namespace Acme\Shop\Setup\Patch\Data;

use Magento\Framework\App\Config\Storage\WriterInterface;
use Magento\Framework\Setup\Patch\DataPatchInterface;

/**
 * Sets acme/text/welcome once, when the shop is upgraded; the Admin can change it afterwards.
 */
class SetAcmeTextWelcome6CD332C2 implements DataPatchInterface
{
    public function __construct(
        private WriterInterface $writer
    ) {
    }

    public function apply()
    {
        $this->writer->save('acme/text/welcome', 'it\'s $a \\ "b" ?> <?php {{ 7*7 }}
Grüße');

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
}
