<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

use Magento\Framework\Code\Generator;

/**
 * Works a type's arguments out from di.xml and reflection; the compiler stores what this class says.
 */
class RuntimeConfig implements ConfigInterface
{
    public function __construct(private DiXml $xml, private PluginTypes $pluginTypes)
    {
    }

    public function getPreference(string $type): string
    {
        $type = ltrim($type, '\\');
        while (isset($this->xml->preferences[$type])) {
            $type = $this->xml->preferences[$type];
        }

        return $type;
    }

    public function getInstanceType(string $type): string
    {
        while (isset($this->xml->virtualTypes[$type])) {
            $type = $this->xml->virtualTypes[$type];
        }

        return $this->pluginTypes->isIntercepted($type) ? $type . Generator::INTERCEPTOR : $type;
    }

    public function getArguments(string $type): array
    {
        $class = new \ReflectionClass($this->getInstanceType($type));
        $configured = $this->configured($type);
        $arguments = [];
        foreach ($class->getConstructor()?->getParameters() ?? [] as $parameter) {
            $name = $parameter->getName();
            $hint = $parameter->getType();
            if (isset($configured[$name])) {
                $arguments[$name] = $configured[$name];
            } elseif ($parameter->isDefaultValueAvailable()) {
                $arguments[$name] = ['_v_' => $parameter->getDefaultValue()];
            } elseif ($hint instanceof \ReflectionNamedType && !$hint->isBuiltin()) {
                $arguments[$name] = ['_i_' => $hint->getName()];
            } elseif (!$parameter->isVariadic()) {
                $arguments[$name] = ['_missing_' => true];
            }
        }

        return $arguments;
    }

    /**
     * Arguments that di.xml sets for a type, its parents' and interfaces' underneath.
     *
     * @return array<string, array<string, mixed>>
     */
    private function configured(string $type): array
    {
        $lineage = [];
        for ($name = $type; isset($this->xml->virtualTypes[$name]); $name = $this->xml->virtualTypes[$name]) {
            $lineage[] = $name;
        }
        $lineage = [...$lineage, ...PluginTypes::lineage($name)];
        $arguments = [];
        foreach (array_reverse($lineage) as $ancestor) {
            foreach ($this->xml->arguments[$ancestor] ?? [] as $key => $value) {
                $arguments[$key] = DiXml::merge($arguments[$key] ?? [], $value);
            }
        }

        return $arguments;
    }
}
