<?php

declare(strict_types=1);

namespace Magento\MessageQueue\Model;

/**
 * A message taken from a queue, with the mark by which the queue knows it.
 */
class Message
{
    public function __construct(
        public readonly string $id = '',
        public readonly string $body = '',
        public readonly mixed $tag = null
    ) {
    }
}
