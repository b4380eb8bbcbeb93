<?php

declare(strict_types=1);

namespace Magento\Framework\View;

use Magento\Framework\Component\ComponentRegistrar;

/**
 * Registered themes and their parents.
 */
class ThemeList
{
    /**
     * @return array<string, array{area: string, path: string, title: string, parent: ?string}> by full path
     *     (frontend/Magento/luma), parents before children
     */
    public function getThemes(): array
    {
        $themes = [];
        $add = function (string $code, string $folder) use (&$add, &$themes): void {
            [$area, $path] = explode('/', $code, 2);
            $xml = simplexml_load_string((string) file_get_contents("$folder/theme.xml"));
            $parent = trim((string) $xml->parent) ?: null;
            if ($parent !== null) {
                $parentFolder = ComponentRegistrar::getPath(ComponentRegistrar::THEME, "$area/$parent")
                    ?? throw new \DomainException("Parent theme \"$area/$parent\" of \"$code\" is not registered.");
                $add("$area/$parent", $parentFolder);
            }
            $themes[$code] ??= ['area' => $area, 'path' => $path, 'title' => (string) $xml->title, 'parent' => $parent];
        };
        foreach (ComponentRegistrar::getPaths(ComponentRegistrar::THEME) as $code => $folder) {
            $add($code, $folder);
        }

        return $themes;
    }

    /**
     * Folders of a theme and its parents, the theme first.
     *
     * @return array<string, string> by theme path (Magento/luma)
     */
    public function getChain(string $area, string $theme): array
    {
        $chain = [];
        for ($next = $theme; $next !== null; $next = $this->getThemes()["$area/$next"]['parent'] ?? null) {
            $folder = ComponentRegistrar::getPath(ComponentRegistrar::THEME, "$area/$next");
            if ($folder === null) {
                throw new \DomainException("Theme \"$area/$next\" is not registered.");
            }
            $chain[$next] = $folder;
        }

        return $chain;
    }
}
