<?php

declare(strict_types=1);

namespace Kiln\Sample\Plugin;

use Kiln\Sample\Model\Greeting;

/**
 * Puts an exclamation mark behind every greeting: the page shows that the generated interceptor runs.
 */
class Exclaim
{
    public function afterSay(Greeting $subject, string $result): string
    {
        return $result . '!';
    }
}
