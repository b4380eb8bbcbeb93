<?php

declare(strict_types=1);

namespace Kiln\Sample\Model;

/**
 * Preference of GreetingInterface; the plugin Exclaim makes the compiler write an interceptor for it.
 */
class Greeting implements GreetingInterface
{
    public function __construct(private string $template = 'Hello, %s')
    {
    }

    public function say(string $name): string
    {
        return str_contains($this->template, '%s') ? sprintf($this->template, $name) : "$this->template $name";
    }
}
