<?php

declare(strict_types=1);

namespace Magento\Deploy\Service;

use Magento\Framework\Module\ModuleList;
use Magento\Framework\Translate;
use Magento\Framework\View\Less;
use Magento\Framework\View\Page;
use Magento\Framework\View\ThemeList;
use Magento\Store\Model\StoreManager;

/**
 * Deploys one package: a theme of an area in one locale.
 */
class PackageDeployer
{
    private const SKIP_OPTIONS = [
        'no-javascript' => ['js', 'map'],
        'no-css' => ['css'],
        'no-less' => ['less'],
        'no-html' => ['html', 'htm'],
        'no-images' => ['jpg', 'jpeg', 'gif', 'png', 'ico', 'svg'],
        'no-fonts' => ['eot', 'ttf', 'woff', 'woff2'],
        'no-misc' => ['md', 'jbf', 'csv', 'json', 'txt', 'htc', 'swf', ''],
    ];

    public function __construct(
        private FileCollector $fileCollector,
        private ModuleList $moduleList,
        private ThemeList $themeList,
        private Translate $translate,
        private StoreManager $storeManager
    ) {
    }

    /**
     * @param array<string, mixed> $options the command's options
     * @return int number of files
     */
    public function deploy(string $area, string $theme, string $locale, array $options): int
    {
        $package = "$area/$theme/$locale";
        $compact = $options['strategy'] === 'compact';
        $files = $this->fileCollector->collect($area, $theme, $locale);
        $less = new Less(array_combine(array_keys($files), array_column($files, 'source')), $this->moduleNames());
        $map = [];
        foreach ($files as $path => $file) {
            if ($this->isSkipped($path, $options)) {
                continue;
            }
            [$path, $content] = $this->process($path, $file['source'], $less);
            $target = $package;
            if ($compact) {
                $isCss = str_ends_with($file['source'], '.less');
                $target = $isCss ? "$area/$theme/default" : $file['package'];
                $map[$path] = self::mapEntry($target);
            }
            self::write(BP . "/pub/static/$target/$path", $content);
        }
        foreach ($less->getReadFiles() as $path => $content) {
            self::write(Page::PREPROCESSED . "$package/$path", $content);
        }
        if (!$options['no-javascript']) {
            $this->deployRequireJsConfig($area, $theme, $package);
            $this->deployTranslations($area, $theme, $locale, $files);
        }
        if ($compact) {
            ksort($map, SORT_STRING);
            $json = (string) json_encode($map, JSON_UNESCAPED_UNICODE);
            self::write(BP . "/pub/static/$package/result_map.json", $json);
        }

        return count($files);
    }

    /**
     * @return array{0: string, 1: string} path and content as deployed
     */
    private function process(string $path, string $source, Less $less): array
    {
        if (str_ends_with($path, '.less')) {
            try {
                return [substr($path, 0, -5) . '.css', $less->compile($path)];
            } catch (\DomainException $e) {
                throw new \DomainException("Compilation from source: $source\n{$e->getMessage()}\n", 0, $e);
            }
        }
        if (str_ends_with($path, '.js')) {
            // Magento asks for the current store when it translates a script, and so fails this late without scopes.
            $this->storeManager->getDefaultWebsite();
        }

        return [$path, (string) file_get_contents($source)];
    }

    /**
     * @param array<string, mixed> $options
     */
    private function isSkipped(string $path, array $options): bool
    {
        $extension = strtolower(pathinfo($path, PATHINFO_EXTENSION));
        if ($extension === 'less' && str_starts_with(basename($path), '_')) {
            return true;
        }
        foreach (self::SKIP_OPTIONS as $option => $extensions) {
            if ($options[$option] && in_array($extension, $extensions, true)) {
                return true;
            }
        }

        return false;
    }

    private function deployRequireJsConfig(string $area, string $theme, string $package): void
    {
        $sources = [];
        foreach (['base', $area] as $level) {
            foreach ($this->moduleList->getPaths() as $path) {
                $sources[] = "$path/view/$level/requirejs-config.js";
            }
        }
        foreach (array_reverse($this->themeList->getChain($area, $theme)) as $folder) {
            $sources[] = "$folder/requirejs-config.js";
        }
        $code = "(function(require){\n";
        foreach (array_filter($sources, 'is_file') as $source) {
            $code .= "(function() {\n" . file_get_contents($source) . "\nrequire.config(config);\n})();\n";
        }
        self::write(BP . "/pub/static/$package/requirejs-config.js", $code . "\n\n})(require);");
    }

    /**
     * Writes the translations of the phrases that scripts and HTML templates use.
     *
     * @param array<string, array{source: string, package: string}> $files
     */
    private function deployTranslations(string $area, string $theme, string $locale, array $files): void
    {
        $phrases = $this->translate->getPhrases($area, $theme, $locale);
        $used = [];
        foreach ($files as $path => $file) {
            if (preg_match('/\.(js|html)$/', $path)) {
                $code = (string) file_get_contents($file['source']);
                preg_match_all('/(?:\$t\(|\$\.mage\.__\(|i18n:)\s*([\'"])(.+?)\1/', $code, $found);
                $used += array_intersect_key($phrases, array_flip($found[2]));
            }
        }
        ksort($used, SORT_STRING);
        self::write(
            BP . "/pub/static/$area/$theme/$locale/js-translation.json",
            (string) json_encode($used ?: [], JSON_UNESCAPED_UNICODE)
        );
    }

    /**
     * @return string[]
     */
    private function moduleNames(): array
    {
        return array_keys($this->moduleList->getPaths());
    }

    /**
     * @return array{area: string, theme: string, locale: string}
     */
    private static function mapEntry(string $package): array
    {
        [$area, $vendor, $theme, $locale] = explode('/', $package);

        return ['area' => $area, 'theme' => "$vendor/$theme", 'locale' => $locale];
    }

    private static function write(string $file, string $content): void
    {
        if (!is_dir(dirname($file)) && !@mkdir(dirname($file), 0775, true) && !is_dir(dirname($file))) {
            throw new \RuntimeException('The directory "' . dirname($file) . '" cannot be created.');
        }
        $temporary = "$file." . getmypid();
        if (@file_put_contents($temporary, $content) === false) {
            throw new \RuntimeException("The file \"$file\" can't be written.");
        }
        rename($temporary, $file);
    }
}
