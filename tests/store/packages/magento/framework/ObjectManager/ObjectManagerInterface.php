<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

/**
 * Makes objects; generated factories and proxies ask for it by this name.
 */
interface ObjectManagerInterface
{
    /**
     * @param array<string, mixed> $arguments
     */
    public function create(string $type, array $arguments = []): object;

    public function get(string $type): object;
}
