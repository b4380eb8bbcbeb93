<?php

declare(strict_types=1);

namespace Magento\Deploy\Service;

use Magento\Framework\Module\ModuleList;
use Magento\Framework\View\ThemeList;

/**
 * Finds the files of a theme in a locale, the nearest last: lib/web, modules' view/base and view/<area>, then the
 * themes from the oldest parent down, and a theme's web/i18n/<locale> above its web.
 */
class FileCollector
{
    public function __construct(private ModuleList $moduleList, private ThemeList $themeList)
    {
    }

    /**
     * @return array<string, array{source: string, package: string}> source file and the package it comes from
     *     (as compact deployment lays it down), by path below the locale's folder; sorted
     */
    public function collect(string $area, string $theme, string $locale): array
    {
        $files = self::scan(BP . '/lib/web', '', 'base/Magento/base/default');
        foreach (['base', $area] as $level) {
            foreach ($this->moduleList->getPaths() as $module => $path) {
                $files = self::scan("$path/view/$level/web", "$module/", "$level/Magento/base/default") + $files;
            }
        }
        foreach (array_reverse($this->themeList->getChain($area, $theme)) as $ancestor => $folder) {
            $webs = ['' => "$folder/web"];
            foreach (array_keys($this->moduleList->getPaths()) as $module) {
                $webs["$module/"] = "$folder/$module/web";
            }
            foreach ($webs as $prefix => $web) {
                $own = self::scan("$web/i18n/$locale", $prefix, "$area/$ancestor/$locale");
                foreach (self::scan($web, $prefix, "$area/$ancestor/default") as $name => $file) {
                    $own += str_starts_with($name, $prefix . 'i18n/') ? [] : [$name => $file];
                }
                $files = $own + $files;
            }
        }
        ksort($files, SORT_STRING);

        return $files;
    }

    /**
     * @return array<string, array{source: string, package: string}>
     */
    private static function scan(string $folder, string $prefix, string $package): array
    {
        $files = [];
        if (is_dir($folder)) {
            $found = new \RecursiveIteratorIterator(
                new \RecursiveDirectoryIterator($folder, \FilesystemIterator::SKIP_DOTS)
            );
            foreach ($found as $file) {
                $name = $prefix . substr((string) $file, strlen($folder) + 1);
                $files[$name] = ['source' => (string) $file, 'package' => $package];
            }
        }

        return $files;
    }
}
