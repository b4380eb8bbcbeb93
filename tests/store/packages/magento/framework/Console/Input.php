<?php

declare(strict_types=1);

namespace Magento\Framework\Console;

/**
 * The parsed command line of one command, after the rules of Symfony's console.
 */
class Input
{
    private const GLOBAL = [
        'help' => ['h', 0], 'quiet' => ['q', 0], 'verbose' => ['v', 0], 'version' => ['V', 0],
        'ansi' => [null, 0], 'no-ansi' => [null, 0], 'no-interaction' => ['n', 0],
    ];

    /** @var array<string, mixed> */
    private array $options = [];

    /** @var array<string, mixed> */
    private array $arguments = [];

    /** @var array<string, array<int, mixed>> */
    private array $definition;

    /**
     * @param string[] $tokens what follows the command's name
     */
    public function __construct(Command $command, array $tokens)
    {
        $this->definition = $command->options() + self::GLOBAL;
        foreach ($this->definition as $name => $option) {
            $this->options[$name] = $option[3] ?? ($option[1] === 0 ? false : ($option[1] & 4 ? [] : null));
        }
        $this->assign($command->arguments(), $this->parse($tokens));
    }

    public function getOption(string $name): mixed
    {
        return $this->options[$name];
    }

    /**
     * @return array<string, mixed>
     */
    public function getOptions(): array
    {
        return $this->options;
    }

    public function getArgument(string $name): mixed
    {
        return $this->arguments[$name] ?? null;
    }

    /**
     * @param string[] $tokens
     * @return string[] the tokens that are no options
     */
    private function parse(array $tokens): array
    {
        $rest = $seen = [];
        while ($tokens) {
            $token = array_shift($tokens);
            if ($token === '--') {
                return [...$rest, ...$tokens];
            }
            if (str_starts_with($token, '--')) {
                [$name, $value] = explode('=', substr($token, 2), 2) + [1 => null];
                if (!isset($this->definition[$name])) {
                    throw new \InvalidArgumentException("The \"--$name\" option does not exist.");
                }
                $this->set($name, $value, $tokens, $seen);
            } elseif (str_starts_with($token, '-') && $token !== '-') {
                $this->parseShort(substr($token, 1), $tokens, $seen);
            } else {
                $rest[] = $token;
            }
        }

        return $rest;
    }

    /**
     * @param string[] $tokens
     * @param array<string, true> $seen
     */
    private function parseShort(string $letters, array &$tokens, array &$seen): void
    {
        while ($letters !== '') {
            $name = null;
            foreach ($this->definition as $long => $option) {
                if ($option[0] === $letters[0]) {
                    $name = $long;
                }
            }
            if ($name === null) {
                throw new \InvalidArgumentException("The \"-{$letters[0]}\" option does not exist.");
            }
            $letters = substr($letters, 1);
            $value = null;
            if ($this->definition[$name][1] !== 0 && $letters !== '') {
                [$value, $letters] = [ltrim($letters, '='), ''];
            }
            $this->set($name, $value, $tokens, $seen);
        }
    }

    /**
     * @param string[] $tokens
     * @param array<string, true> $seen
     */
    private function set(string $name, ?string $value, array &$tokens, array &$seen): void
    {
        $kind = $this->definition[$name][1];
        if ($kind === 0) {
            if ($value !== null) {
                throw new \InvalidArgumentException("The \"--$name\" option does not accept a value.");
            }
            $this->options[$name] = true;
            return;
        }
        if ($value === null && $tokens && !str_starts_with($tokens[0], '-')) {
            $value = array_shift($tokens);
        }
        if ($value === null && $kind & 2) {
            throw new \InvalidArgumentException("The \"--$name\" option requires a value.");
        }
        if ($kind & 4) {
            $this->options[$name] = isset($seen[$name]) ? [...$this->options[$name], $value] : [$value];
        } else {
            $this->options[$name] = $value;
        }
        $seen[$name] = true;
    }

    /**
     * @param array<string, string> $names
     * @param string[] $values
     */
    private function assign(array $names, array $values): void
    {
        foreach (array_keys($names) as $name) {
            if (str_ends_with($name, '*')) {
                $this->arguments[rtrim($name, '*')] = $values;
                return;
            }
            if (!$values && !str_ends_with($name, '?')) {
                throw new \InvalidArgumentException("Not enough arguments (missing: \"$name\").");
            }
            $this->arguments[rtrim($name, '?')] = array_shift($values);
        }
        if ($values) {
            throw new \InvalidArgumentException(
                $names ? 'Too many arguments' : "No arguments expected, got \"{$values[0]}\"."
            );
        }
    }
}
