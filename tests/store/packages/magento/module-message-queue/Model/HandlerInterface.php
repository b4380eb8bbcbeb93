<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

/**
 * Handles the messages of a consumer. Magento takes any method; the miniature's handlers implement this.
 */
interface HandlerInterface
{
    public function process(string $body): void;
}
