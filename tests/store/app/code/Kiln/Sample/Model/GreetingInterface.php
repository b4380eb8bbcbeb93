<?php

declare(strict_types=1);

namespace Kiln\Sample\Model;

/**
 * Says hello.
 */
interface GreetingInterface
{
    public function say(string $name): string;
}
