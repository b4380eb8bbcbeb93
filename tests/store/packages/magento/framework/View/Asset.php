<?php

declare(strict_types=1);

namespace Magento\Framework\View;

use Magento\Framework\App\Config;
use Magento\Framework\App\State;

/**
 * URLs of static files: /static/version<N>/<area>/<theme>/<locale>/<file>.
 */
class Asset
{
    public const VERSION_FILE = BP . '/pub/static/deployed_version.txt';

    /** @var array<string, array{area: string, theme: string, locale: string}>|null */
    private ?array $map = null;

    public function __construct(private Design $design, private Config $config, private State $state)
    {
    }

    /**
     * Content version of pub/static/deployed_version.txt.
     *
     * In production mode it must be there; else Magento makes one up and so does this.
     */
    public function getVersion(): string
    {
        $version = is_file(self::VERSION_FILE) ? trim((string) file_get_contents(self::VERSION_FILE)) : '';
        if ($version === '' && $this->state->isProduction()) {
            throw new \UnexpectedValueException(
                'Unable to retrieve deployment version of static files from the file system.'
            );
        }

        return $version === '' ? (string) time() : $version;
    }

    public function getUrl(string $file): string
    {
        $place = ['area' => 'frontend', 'theme' => $this->design->getTheme(), 'locale' => $this->design->getLocale()];
        if ($this->map === null) {
            $mapFile = BP . '/pub/static/' . implode('/', $place) . '/result_map.json';
            $this->map = is_file($mapFile) ? json_decode((string) file_get_contents($mapFile), true) : [];
        }
        $path = implode('/', $this->map[$file] ?? $place) . '/' . $file;
        $version = $this->config->getValue('dev/static/sign') ? 'version' . $this->getVersion() . '/' : '';

        return '/static/' . $version . implode('/', array_map('rawurlencode', explode('/', $path)));
    }
}
