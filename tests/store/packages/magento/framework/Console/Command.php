<?php

declare(strict_types=1);

namespace Magento\Framework\Console;

/**
 * A command of bin/magento.
 */
abstract class Command
{
    public const NAME = '';
    public const DESCRIPTION = '';

    /** Kinds of option: no value, a value that may be left out, a value that must be there, repeatable. */
    protected const NONE = 0;
    protected const OPTIONAL = 1;
    protected const REQUIRED = 2;
    protected const MANY = 4;

    /**
     * Options by long name, each [short name or null, kind, description, default].
     *
     * @return array<string, array{0: ?string, 1: int, 2: string, 3?: mixed}>
     */
    public function options(): array
    {
        return [];
    }

    /**
     * Arguments by name; a name ending in * takes all that follow, one ending in ? may be left out.
     *
     * @return array<string, string> descriptions
     */
    public function arguments(): array
    {
        return [];
    }

    /**
     * @return int exit code
     */
    abstract public function execute(Input $input, Output $output): int;
}
