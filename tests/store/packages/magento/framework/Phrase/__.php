<?php

declare(strict_types=1);

if (!function_exists('__')) {
    /**
     * Translates a phrase and fills %1, %2, ... as Magento's function of the same name.
     */
    function __(string $text, string|int ...$arguments): string
    {
        $text = \Magento\Framework\Translate::current()[$text] ?? $text;
        foreach ($arguments as $i => $argument) {
            $text = str_replace('%' . ((int) $i + 1), (string) $argument, $text);
        }

        return $text;
    }
}
