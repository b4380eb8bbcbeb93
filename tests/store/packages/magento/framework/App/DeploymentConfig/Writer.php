<?php

declare(strict_types=1);

namespace Magento\Framework\App\DeploymentConfig;

use Magento\Framework\App\DeploymentConfig;

/**
 * Writes app/etc/config.php and app/etc/env.php in the short array format of Magento's PhpFormatter.
 */
class Writer
{
    public function __construct(private Reader $reader, private DeploymentConfig $deploymentConfig)
    {
    }

    /**
     * Puts $data over what the file says; with $override a top-level section replaces the old one whole.
     *
     * @param array<string, mixed> $data
     */
    public function saveConfig(string $file, array $data, bool $override = false): void
    {
        $old = $this->reader->load($file);
        $new = $override ? array_replace($old, $data) : array_replace_recursive($old, $data);
        $path = Reader::folder() . "/$file";
        if (!is_writable(is_file($path) ? $path : dirname($path))) {
            throw new \RuntimeException("Deployment config file $file is not writable.");
        }
        file_put_contents($path . '.new', "<?php\nreturn " . self::export($new) . ";\n");
        rename($path . '.new', $path);
        if (function_exists('opcache_invalidate')) {
            opcache_invalidate($path, true);
        }
        $this->deploymentConfig->resetData();
    }

    private static function export(mixed $value, int $depth = 1): string
    {
        if (!is_array($value)) {
            return $value === null ? 'null' : var_export($value, true);
        }
        $lines = [];
        foreach ($value as $key => $item) {
            $name = array_is_list($value) ? '' : var_export($key, true) . ' => ';
            $lines[] = str_repeat('    ', $depth) . $name . self::export($item, $depth + 1);
        }

        return "[\n" . implode(",\n", $lines) . "\n" . str_repeat('    ', $depth - 1) . ']';
    }
}
