<?php

declare(strict_types=1);

namespace Magento\Theme\Model;

use Magento\Deploy\Model\DeploymentConfig\ImporterInterface;
use Magento\Framework\DB\Connection;
use Magento\Framework\View\ThemeList;

/**
 * Keeps the table theme in step with the themes of the file system.
 */
class ThemeImporter implements ImporterInterface
{
    public function __construct(private Connection $connection, private ThemeList $themeList)
    {
    }

    public function getWarningMessages(array $data): array
    {
        $registered = array_keys($this->themeList->getThemes());
        $known = array_keys($this->export());
        $new = array_diff($registered, $known);
        $gone = array_diff($known, $registered, array_keys($data));

        return array_merge(
            $new ? ['The following themes will be registered: ' . implode(', ', $new)] : [],
            $gone ? ['The following themes will be removed: ' . implode(', ', $gone)] : []
        );
    }

    public function import(array $data): array
    {
        $this->register();
        foreach (array_keys($this->export()) as $code) {
            if (!isset($data[$code]) && !isset($this->themeList->getThemes()[$code])) {
                [$area, $path] = explode('/', $code, 2);
                $this->connection->query('DELETE FROM {theme} WHERE area = ? AND theme_path = ?', [$area, $path]);
            }
        }

        return ['Theme import was started.', 'Theme import finished.'];
    }

    /**
     * Adds the registered themes that the table does not have, parents first.
     */
    public function register(): void
    {
        foreach ($this->themeList->getThemes() as $theme) {
            if ($this->idOf($theme['area'], $theme['path']) === null) {
                $this->connection->insert('theme', [
                    'parent_id' => $theme['parent'] === null ? null : $this->idOf($theme['area'], $theme['parent']),
                    'theme_path' => $theme['path'],
                    'theme_title' => $theme['title'],
                    'area' => $theme['area'],
                    'type' => 0,
                    'code' => $theme['path'],
                ]);
            }
        }
    }

    /**
     * @return array<string, array<string, ?string>>
     */
    public function export(): array
    {
        $themes = [];
        $rows = $this->connection->fetchAll(
            'SELECT t.*, p.theme_path parent FROM {theme} t LEFT JOIN {theme} p ON p.theme_id = t.parent_id'
            . ' ORDER BY t.theme_id'
        );
        foreach ($rows as $row) {
            $themes["{$row['area']}/{$row['theme_path']}"] = [
                'parent_id' => $row['parent'],
                'theme_path' => $row['theme_path'],
                'theme_title' => $row['theme_title'],
                'is_featured' => (string) $row['is_featured'],
                'area' => $row['area'],
                'type' => (string) $row['type'],
                'code' => $row['code'],
            ];
        }

        return $themes;
    }

    private function idOf(string $area, string $path): ?int
    {
        $id = $this->connection->fetchOne(
            'SELECT theme_id FROM {theme} WHERE area = ? AND theme_path = ?',
            [$area, $path]
        );

        return $id === false ? null : (int) $id;
    }
}
