<?php

declare(strict_types=1);

namespace Magento\Framework\Interception;

use Magento\Framework\App\Bootstrap;

/**
 * Runs plugins around a method; used by the generated interceptors.
 */
trait Interceptor
{
    /**
     * Before plugins in order, then around plugins nested, then after plugins in order.
     *
     * @param array<int, mixed> $arguments
     */
    private function ___callPlugins(string $method, array $arguments, \Closure $original): mixed
    {
        $plugins = Bootstrap::getObjectManager()->get(PluginList::class)
            ->get((string) get_parent_class(self::class), $method);
        foreach ($plugins as [$kind, $plugin]) {
            if ($kind === 'before') {
                $changed = $plugin->{'before' . ucfirst($method)}($this, ...$arguments);
                $arguments = $changed === null ? $arguments : array_values((array) $changed);
            }
        }
        foreach (array_reverse($plugins) as [$kind, $plugin]) {
            if ($kind === 'around') {
                $original = fn (mixed ...$values): mixed
                    => $plugin->{'around' . ucfirst($method)}($this, $original, ...$values);
            }
        }
        $result = $original(...$arguments);
        foreach ($plugins as [$kind, $plugin]) {
            if ($kind === 'after') {
                $result = $plugin->{'after' . ucfirst($method)}($this, $result, ...$arguments);
            }
        }

        return $result;
    }
}
