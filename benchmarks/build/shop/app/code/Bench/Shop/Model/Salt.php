<?php

declare(strict_types=1);

namespace Bench\Shop\Model;

use Magento\Framework\App\State;

class Salt
{
    public function __construct(private State $state, private string $salt = 'none')
    {
    }
}
