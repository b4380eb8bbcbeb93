<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

/**
 * Reads and merges di.xml files: preferences, types, virtual types, plugins and arguments.
 */
class DiXml
{
    /** @var array<string, string> */
    public array $preferences = [];

    /** @var array<string, string> base type by virtual type */
    public array $virtualTypes = [];

    /** @var array<string, array<string, array<string, mixed>>> arguments by type */
    public array $arguments = [];

    /** @var array<string, array<string, array{type: string, sortOrder: int}>> plugins by type and plugin name */
    public array $plugins = [];

    /**
     * @param string[] $files in the order in which later ones win
     */
    public function __construct(array $files)
    {
        foreach ($files as $file) {
            $this->read($file);
        }
    }

    private function read(string $file): void
    {
        $xml = simplexml_load_string((string) file_get_contents($file));
        if ($xml === false) {
            throw new \RuntimeException("Invalid XML in file $file");
        }
        foreach ($xml->preference as $node) {
            $this->preferences[self::name($node['for'])] = self::name($node['type']);
        }
        foreach ($xml->virtualType as $node) {
            $this->virtualTypes[self::name($node['name'])] = self::name($node['type']);
        }
        foreach ([$xml->type, $xml->virtualType] as $nodes) {
            foreach ($nodes as $node) {
                $this->readType($node, self::name($node['name']));
            }
        }
    }

    private function readType(\SimpleXMLElement $node, string $type): void
    {
        foreach ($node->arguments->argument ?? [] as $argument) {
            $name = (string) $argument['name'];
            $this->arguments[$type][$name] = self::merge($this->arguments[$type][$name] ?? [], self::value($argument));
        }
        foreach ($node->plugin as $plugin) {
            $name = (string) $plugin['name'];
            if ((string) $plugin['disabled'] === 'true') {
                unset($this->plugins[$type][$name]);
                continue;
            }
            $this->plugins[$type][$name] = [
                'type' => self::name($plugin['type']),
                'sortOrder' => (int) $plugin['sortOrder'],
            ];
        }
    }

    /**
     * @return array<string, mixed>
     */
    private static function value(\SimpleXMLElement $node): array
    {
        $text = trim((string) $node);
        switch ((string) $node->attributes('xsi', true)['type']) {
            case 'object':
                return ['_i_' => ltrim($text, '\\')];
            case 'array':
                $items = [];
                foreach ($node->item as $item) {
                    $items[(string) $item['name']] = self::value($item);
                }
                return ['_vac_' => $items];
            case 'boolean':
                return ['_v_' => $text === 'true' || $text === '1'];
            case 'number':
                return ['_v_' => $text + 0];
            case 'const':
                return ['_v_' => constant($text)];
            case 'null':
                return ['_v_' => null];
            default:
                return ['_v_' => $text];
        }
    }

    /**
     * @param array<string, mixed> $old
     * @param array<string, mixed> $new
     * @return array<string, mixed>
     */
    public static function merge(array $old, array $new): array
    {
        if (($new['_v_'] ?? null) === '' && is_string($old['_v_'] ?? null)) {
            // Magento merges nodes: one without text leaves the text that is there.
            return $old;
        }
        if (!isset($old['_vac_'], $new['_vac_'])) {
            return $new;
        }
        foreach ($new['_vac_'] as $key => $value) {
            $old['_vac_'][$key] = self::merge($old['_vac_'][$key] ?? [], $value);
        }

        return $old;
    }

    private static function name(?\SimpleXMLElement $name): string
    {
        return ltrim((string) $name, '\\');
    }
}
