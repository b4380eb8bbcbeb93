<?php

declare(strict_types=1);

namespace Magento\Framework\Console;

/**
 * Commands of the modules; di.xml files add theirs.
 */
class CommandList
{
    /**
     * @param Command[] $commands
     */
    public function __construct(private array $commands = [])
    {
    }

    /**
     * @return Command[]
     */
    public function getCommands(): array
    {
        return $this->commands;
    }
}
