<?php

declare(strict_types=1);

namespace Bench\Shop\Plugin;

use Bench\Shop\Model\Price;

class Round
{
    public function afterFormat(Price $subject, string $result): string
    {
        return trim($result);
    }
}
