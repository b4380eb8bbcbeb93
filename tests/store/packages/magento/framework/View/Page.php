<?php

declare(strict_types=1);

namespace Magento\Framework\View;

use Magento\Framework\App\Config;
use Magento\Framework\App\State;
use Magento\Framework\Component\ComponentRegistrar;
use Magento\Store\Model\StoreManager;

/**
 * Renders templates: a page's own inside Magento_Theme::root.phtml.
 *
 * With dev/template/minify_html on, production mode uses the minified copies below var/view_preprocessed, which
 * setup:static-content:deploy made, and tries to write the ones that are missing there.
 */
class Page
{
    public const PREPROCESSED = BP . '/var/view_preprocessed/pub/static/';

    public function __construct(
        private ThemeList $themeList,
        private Design $design,
        private Asset $asset,
        private Config $config,
        private State $state,
        private StoreManager $storeManager
    ) {
    }

    /**
     * @param array<string, mixed> $data variables of the template
     */
    public function render(string $template, string $title, array $data = []): string
    {
        $this->design->getTheme();
        $content = $this->include($template, $data);

        return $this->include('Magento_Theme::root.phtml', [
            'title' => __($title),
            'content' => $content,
            'shopName' => (string) $this->config->getValue(
                'general/store_information/name',
                $this->storeManager->getStoreCode()
            ),
        ]);
    }

    public function asset(string $file): string
    {
        return $this->asset->getUrl($file);
    }

    public function locale(): string
    {
        return $this->design->getLocale();
    }

    public function version(): string
    {
        return $this->asset->getVersion();
    }

    public function escape(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE);
    }

    /**
     * @param array<string, mixed> $data
     */
    private function include(string $template, array $data): string
    {
        $file = $this->find($template);
        if ($this->state->isProduction() && $this->config->getValue('dev/template/minify_html')) {
            $file = self::minified($file);
        }
        ob_start();
        try {
            (function () use ($file, $data): void {
                extract($data);
                $page = $this;
                require $file;
            })();
        } finally {
            $html = (string) ob_get_clean();
        }

        return $html;
    }

    /**
     * Path of a template's minified copy, written if it is not there.
     */
    public static function minified(string $file): string
    {
        $copy = self::PREPROCESSED . substr($file, strlen(BP) + 1);
        if (!is_file($copy)) {
            if (!is_dir(dirname($copy)) && !mkdir(dirname($copy), 0775, true)) {
                throw new \RuntimeException("The file \"$copy\" can't be written.");
            }
            file_put_contents($copy, preg_replace('/>\s+</', '> <', (string) file_get_contents($file)));
        }

        return $copy;
    }

    private function find(string $template): string
    {
        [$module, $path] = explode('::', $template);
        foreach ($this->themeList->getChain('frontend', $this->design->getTheme()) as $folder) {
            if (is_file("$folder/$module/templates/$path")) {
                return "$folder/$module/templates/$path";
            }
        }
        $file = ComponentRegistrar::getPath(ComponentRegistrar::MODULE, $module) . "/view/frontend/templates/$path";

        return is_file($file) ? $file : throw new \DomainException("Invalid template file: '$template'");
    }
}
