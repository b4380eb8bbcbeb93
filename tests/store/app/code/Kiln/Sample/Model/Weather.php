<?php

declare(strict_types=1);

namespace Kiln\Sample\Model;

/**
 * Stands for a dependency that is dear to make, and so comes as a generated proxy.
 */
class Weather
{
    public function describe(string $place, ?int $degrees = null): string
    {
        return $place . ': ' . ($degrees ?? 20) . ' °C';
    }
}
