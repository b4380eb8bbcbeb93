<?php

declare(strict_types=1);

namespace Kiln\Sample\Model;

/**
 * Something to buy; made by the generated ProductFactory.
 */
class Product
{
    public function __construct(public readonly string $sku = '', public readonly string $name = '')
    {
    }
}
