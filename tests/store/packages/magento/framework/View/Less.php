<?php

declare(strict_types=1);

namespace Magento\Framework\View;

/**
 * A small LESS: variables, @import, //@magento_import, nesting with &, mixins without parameters.
 */
class Less
{
    /** @var array<string, string> content of every file that was read, imports of modules expanded */
    private array $read = [];

    /**
     * @param array<string, string> $sources source file by path in the theme, e.g. css/source/_theme.less
     * @param string[] $modules modules in load order, for //@magento_import
     */
    public function __construct(private array $sources, private array $modules)
    {
    }

    public function compile(string $path): string
    {
        $less = $this->import($path, $path);
        preg_match_all('/^\s*(@[\w-]+)\s*:\s*([^;]+);/m', $less, $found, PREG_SET_ORDER);
        $variables = array_column($found, 2, 1);
        $less = (string) preg_replace('/^\s*@[\w-]+\s*:\s*[^;]+;/m', '', $less);
        for ($depth = 0; $depth < 10 && preg_match('/@[\w-]+/', implode(' ', $variables)); $depth++) {
            $variables = array_map(
                fn (string $value): string => $this->substitute($value, $variables, $path),
                $variables
            );
        }
        $position = 0;
        $mixins = [];

        return $this->block($this->substitute($less, $variables, $path), $position, '', $mixins);
    }

    /**
     * @return array<string, string> path => content of the files that went in
     */
    public function getReadFiles(): array
    {
        return $this->read;
    }

    private function import(string $path, string $from): string
    {
        $source = $this->sources[$path]
            ?? throw new \DomainException("'$path' wasn't found, imported from $from");
        $less = (string) preg_replace_callback(
            '~^\s*//@magento_import\s+[\'"](.+?)[\'"]\s*;~m',
            fn (array $match): string => $this->moduleImports($path, $match[1]),
            (string) file_get_contents($source)
        );
        $this->read[$path] = $less;
        $less = (string) preg_replace('~/\*.*?\*/|(?<!:)//[^\n]*~s', '', $less);

        return (string) preg_replace_callback(
            '~@import\s+(?:\(\w+\)\s*)?[\'"](.+?)[\'"]\s*;~',
            function (array $match) use ($path): string {
                $target = str_ends_with($match[1], '.less') ? $match[1] : $match[1] . '.less';
                return $this->import(self::resolve($path, $target), $path);
            },
            $less
        );
    }

    /**
     * One @import for each module that has the file.
     */
    private function moduleImports(string $path, string $file): string
    {
        $imports = '';
        foreach ($this->modules as $module) {
            $target = "$module/" . self::resolve($path, $file);
            if (isset($this->sources[$target])) {
                $imports .= "@import '" . str_repeat('../', substr_count($path, '/')) . "$target';\n";
            }
        }

        return $imports;
    }

    private static function resolve(string $from, string $target): string
    {
        $parts = [];
        foreach (explode('/', dirname($from) . '/' . $target) as $part) {
            if ($part === '..') {
                array_pop($parts);
            } elseif ($part !== '.') {
                $parts[] = $part;
            }
        }

        return implode('/', $parts);
    }

    /**
     * @param array<string, string> $variables
     */
    private function substitute(string $text, array $variables, string $path): string
    {
        return (string) preg_replace_callback(
            '/@(?!media\b|import\b|font-face\b|supports\b|keyframes\b|charset\b)\{?([\w-]+)\}?/',
            static fn (array $match): string => trim($variables['@' . $match[1]]
                ?? throw new \DomainException("variable @$match[1] is undefined in file $path")),
            $text
        );
    }

    /**
     * Turns one block into flat CSS rules.
     *
     * @param array<string, string> $mixins bodies by class selector
     */
    private function block(string $less, int &$position, string $selector, array &$mixins): string
    {
        $own = $nested = $token = '';
        while ($position < strlen($less)) {
            $char = $less[$position++];
            if ($char === ';') {
                $name = rtrim(trim($token), '()');
                $own .= isset($mixins[$name]) ? $mixins[$name] : '  ' . trim($token) . ";\n";
                $token = '';
            } elseif ($char === '{') {
                $name = trim($token);
                $token = '';
                if (str_starts_with($name, '@media') || str_starts_with($name, '@supports')) {
                    $inner = $this->block($less, $position, $selector, $mixins);
                    $nested .= "$name {\n$inner}\n";
                } else {
                    $nested .= $this->block($less, $position, self::join($selector, $name), $mixins);
                }
            } elseif ($char === '}') {
                break;
            } else {
                $token .= $char;
            }
        }
        if ($selector === '') {
            return $own . $nested;
        }
        $mixins[rtrim($selector, '()')] = $own;

        return ($own === '' || str_ends_with($selector, '()') ? '' : "$selector {\n$own}\n") . $nested;
    }

    private static function join(string $parent, string $child): string
    {
        $selectors = [];
        foreach (explode(',', $parent) as $outer) {
            foreach (explode(',', $child) as $inner) {
                $inner = trim($inner);
                $selectors[] = trim(str_contains($inner, '&')
                    ? str_replace('&', trim($outer), $inner)
                    : trim($outer) . ' ' . $inner);
            }
        }

        return implode(', ', $selectors);
    }
}
