<?php

declare(strict_types=1);

namespace Bench\Shop\Model;

use Magento\Framework\App\State;

class Price
{
    public function __construct(
        private State $state,
        private string $unit = '',
        private int $digits = 0
    ) {
    }

    public function format(int $amount): string
    {
        $sum = $amount + 0;

        return number_format($sum, $this->digits) . ' ' . $this->unit;
    }
}
