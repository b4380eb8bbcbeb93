<?php

declare(strict_types=1);

namespace Magento\Framework;

use Magento\Framework\Component\ComponentRegistrar;
use Magento\Framework\Module\ModuleList;
use Magento\Framework\View\ThemeList;

/**
 * Phrases of a locale: modules' i18n, then language packs, then the theme's and its parents' i18n.
 */
class Translate
{
    /** @var array<string, string> */
    private static array $current = [];

    public function __construct(private ModuleList $moduleList, private ThemeList $themeList)
    {
    }

    /**
     * @return array<string, string>
     */
    public static function current(): array
    {
        return self::$current;
    }

    public function activate(string $area, string $theme, string $locale): void
    {
        self::$current = $this->getPhrases($area, $theme, $locale);
    }

    /**
     * @return array<string, string> translations by phrase, sorted
     */
    public function getPhrases(string $area, string $theme, string $locale): array
    {
        $files = [];
        foreach ($this->moduleList->getPaths() as $path) {
            $files[] = "$path/i18n/$locale.csv";
        }
        foreach (ComponentRegistrar::getPaths(ComponentRegistrar::LANGUAGE) as $path) {
            $xml = simplexml_load_string((string) file_get_contents("$path/language.xml"));
            if ((string) $xml->code === $locale) {
                $files[] = "$path/$locale.csv";
            }
        }
        foreach (array_reverse($this->themeList->getChain($area, $theme)) as $path) {
            $files[] = "$path/i18n/$locale.csv";
        }
        $phrases = [];
        foreach (array_filter($files, 'is_file') as $file) {
            $handle = fopen($file, 'r');
            while ($handle && ($row = fgetcsv($handle, null, ',', '"', '\\'))) {
                if (isset($row[1])) {
                    $phrases[$row[0]] = $row[1];
                }
            }
        }
        ksort($phrases);

        return $phrases;
    }
}
