<?php

declare(strict_types=1);

namespace Magento\Framework\App;

/**
 * A page or other answer, one class each.
 */
interface ActionInterface
{
    public function execute(Request $request): Response;
}
