<?php

declare(strict_types=1);

namespace Magento\Deploy\Service;

use Magento\Framework\App\Config;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\Component\ComponentRegistrar;
use Magento\Framework\Console\Output;
use Magento\Framework\Module\ModuleList;
use Magento\Framework\View\Asset;
use Magento\Framework\View\Page;
use Magento\Framework\View\ThemeList;

/**
 * Deploys static content. Source of order, messages and choice of packages: Magento 2.4.7, class of the same name,
 * Magento\Deploy\Package\PackagePool and Magento\Deploy\Strategy.
 */
class DeployStaticContent
{
    public function __construct(
        private PackageDeployer $packageDeployer,
        private ThemeList $themeList,
        private ModuleList $moduleList,
        private DeploymentConfig $deploymentConfig
    ) {
    }

    /**
     * @param array<string, mixed> $options
     */
    public function deploy(array $options, Output $output): void
    {
        $version = (string) ($options['content-version'] ?: time());
        if (!is_dir(dirname(Asset::VERSION_FILE))) {
            mkdir(dirname(Asset::VERSION_FILE), 0775, true);
        }
        file_put_contents(Asset::VERSION_FILE, $version);
        if ($options['refresh-content-version-only']) {
            $output->writeln("New content version: $version");
            return;
        }
        if (!in_array($options['strategy'] ?: 'standard', ['quick', 'standard', 'compact'], true)) {
            throw new \InvalidArgumentException("Wrong deploy strategy type: {$options['strategy']}");
        }
        $this->process($this->packages($options), (int) $options['jobs'], $options, $output);
        if (!$options['no-html-minify']) {
            $this->minifyTemplates();
        }
    }

    /**
     * @param array<string, mixed> $options
     * @return list<array{0: string, 1: string, 2: string}> area, theme, locale
     */
    private function packages(array $options): array
    {
        $wanted = [];
        foreach ($this->themeList->getThemes() as $code => $theme) {
            if (
                self::isIncluded($theme['area'], $options['area'], $options['exclude-area'])
                && self::isIncluded($theme['path'], $options['theme'], $options['exclude-theme'])
            ) {
                $ancestors = array_keys($this->themeList->getChain($theme['area'], $theme['path']));
                foreach ($options['no-parent'] ? [$theme['path']] : array_reverse($ancestors) as $path) {
                    $wanted["{$theme['area']}/$path"] = [$theme['area'], $path];
                }
            }
        }
        $packages = [];
        foreach ($wanted as [$area, $theme]) {
            $locales = $options['language'][0] === 'all' ? $this->usedLocales($area) : $options['language'];
            foreach (array_unique($locales) as $locale) {
                if (self::isIncluded($locale, ['all'], $options['exclude-language'])) {
                    $packages[] = [$area, $theme, $locale];
                }
            }
        }

        return $packages;
    }

    /**
     * @param string[] $include
     * @param string[] $exclude
     */
    private static function isIncluded(string $entity, array $include, array $exclude): bool
    {
        if ($exclude[0] !== 'none') {
            return !in_array($entity, $exclude, true);
        }

        return $include[0] === 'all' || in_array($entity, $include, true);
    }

    /**
     * Locales that config.php gives to store views, and en_US.
     *
     * @return string[]
     */
    private function usedLocales(string $area): array
    {
        $locales = ['en_US'];
        if ($area !== 'adminhtml') {
            foreach (Config::fileValues((array) $this->deploymentConfig->getConfigData('system')) as $values) {
                $locales[] = $values['general/locale/code'] ?? 'en_US';
            }
        }

        return $locales;
    }

    /**
     * Deploys the packages, in child processes if there is more than one job and pcntl.
     *
     * @param list<array{0: string, 1: string, 2: string}> $packages
     * @param array<string, mixed> $options
     */
    private function process(array $packages, int $jobs, array $options, Output $output): void
    {
        $children = [];
        $failed = 0;
        $parallel = $jobs > 1 && function_exists('pcntl_fork');
        foreach ($packages as $package) {
            if (!$parallel) {
                $this->deployPackage($package, $options, $output);
                continue;
            }
            if (count($children) >= $jobs) {
                $failed += $this->wait($children);
            }
            $pid = pcntl_fork();
            if ($pid === 0) {
                try {
                    $this->deployPackage($package, $options, $output);
                    exit(0);
                } catch (\Throwable $e) {
                    $output->error($e->getMessage());
                    exit(1);
                }
            }
            $children[$pid] = $package;
        }
        while ($children) {
            $failed += $this->wait($children);
        }
        if ($failed) {
            throw new \RuntimeException("$failed of " . count($packages) . ' packages could not be deployed.');
        }
    }

    /**
     * @param array<int, mixed> $children
     */
    private function wait(array &$children): int
    {
        $pid = pcntl_wait($status);
        unset($children[$pid]);

        return pcntl_wifexited($status) && pcntl_wexitstatus($status) === 0 ? 0 : 1;
    }

    /**
     * @param array{0: string, 1: string, 2: string} $package
     * @param array<string, mixed> $options
     */
    private function deployPackage(array $package, array $options, Output $output): void
    {
        $count = $this->packageDeployer->deploy($package[0], $package[1], $package[2], $options);
        $output->writeln(sprintf('%-40s%d/%d %24s 100%%', implode('/', $package), $count, $count, str_repeat('=', 24)));
    }

    /**
     * With dev/template/minify_html on, writes minified templates to var/view_preprocessed: an image must keep them.
     */
    private function minifyTemplates(): void
    {
        $values = Config::fileValues((array) $this->deploymentConfig->getConfigData('system'))['default'];
        if (empty($values['dev/template/minify_html'])) {
            return;
        }
        foreach ($this->moduleList->getPaths() as $path) {
            array_map(Page::minified(...), glob("$path/view/*/templates/*.phtml") ?: []);
        }
        foreach (ComponentRegistrar::getPaths(ComponentRegistrar::THEME) as $path) {
            array_map(Page::minified(...), glob("$path/*/templates/*.phtml") ?: []);
        }
    }
}
