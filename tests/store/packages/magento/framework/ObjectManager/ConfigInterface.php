<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

/**
 * What the object manager must know of a type: worked out at run time or read from generated/metadata.
 *
 * An argument is ['_i_' => type of a shared object], ['_v_' => value] or ['_vac_' => array of arguments], the keys
 * that Magento's compiled metadata use.
 */
interface ConfigInterface
{
    /**
     * The type that stands for $type: preferences followed to the end.
     */
    public function getPreference(string $type): string;

    /**
     * The class to instantiate: virtual types resolved, the interceptor where there are plugins.
     */
    public function getInstanceType(string $type): string;

    /**
     * @return array<string, array<string, mixed>> constructor arguments in order
     */
    public function getArguments(string $type): array;
}
