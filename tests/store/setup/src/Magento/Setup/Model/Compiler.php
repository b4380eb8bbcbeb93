<?php

declare(strict_types=1);

namespace Magento\Setup\Model;

use Magento\Framework\App\ActionList;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\State;
use Magento\Framework\Code\Generator;
use Magento\Framework\Component\ComponentRegistrar;
use Magento\Framework\Interception\PluginList;
use Magento\Framework\Module\ModuleList;
use Magento\Framework\ObjectManager\CompiledConfig;
use Magento\Framework\ObjectManager\Factory;

/**
 * Writes generated/code and generated/metadata.
 *
 * Everything is sorted, so that the same tree gives the same bytes.
 */
class Compiler
{
    private Factory $factory;
    private ModuleList $moduleList;

    /** @var string[] classes and interfaces of modules, libraries and setup, later with the generated ones */
    private array $classes = [];

    /** @var string[] */
    private array $intercepted = [];

    public function __construct(DeploymentConfig $deploymentConfig)
    {
        $this->factory = new Factory();
        $this->moduleList = new ModuleList($deploymentConfig);
        Generator::register();
    }

    /**
     * @return array<string, \Closure> the steps by the name that Magento prints
     */
    public function steps(): array
    {
        return [
            'Proxies code generation' => $this->generateProxies(...),
            'Application code generator' => $this->generateApplicationCode(...),
            'Interceptors generation' => $this->generateInterceptors(...),
            'Area configuration aggregation' => $this->writeAreas(...),
            'Interception cache generation' => $this->writeInterception(...),
            'App action list generation' => fn () => $this->write(
                'app_action_list.php',
                (new ActionList($this->moduleList))->collect()
            ),
            'Plugin list generation' => $this->writePluginLists(...),
        ];
    }

    /**
     * Makes what di.xml files name; a name that stands for nothing is an error.
     */
    private function generateProxies(): void
    {
        foreach (State::AREAS as $area) {
            $xml = $this->factory->diXml($area);
            $names = array_values($xml->preferences);
            array_walk_recursive($xml->arguments, static function (mixed $value, mixed $key) use (&$names): void {
                if ($key === '_i_') {
                    $names[] = $value;
                }
            });
            foreach ($xml->plugins as $plugins) {
                $names = [...$names, ...array_column($plugins, 'type')];
            }
            foreach ($names as $name) {
                isset($xml->virtualTypes[$name]) || $this->load($name, "di.xml, area $area");
            }
        }
    }

    /**
     * Makes what constructors ask for.
     */
    private function generateApplicationCode(): void
    {
        $folders = [
            ...array_values(ComponentRegistrar::getPaths(ComponentRegistrar::LIBRARY)),
            ...array_values($this->moduleList->getPaths()),
            BP . '/setup/src',
        ];
        $this->classes = array_merge(...array_map($this->scan(...), $folders));
        foreach ($this->classes as $class) {
            $this->load($class, 'scan');
            $this->loadConstructorTypes($class);
        }
    }

    private function generateInterceptors(): void
    {
        $this->classes = [...$this->classes, ...$this->scan(BP . '/generated/code')];
        sort($this->classes);
        foreach ($this->classes as $class) {
            if ($this->factory->pluginTypes()->isIntercepted($class)) {
                $this->intercepted[] = $class;
                $this->load($class . Generator::INTERCEPTOR, $class);
            }
        }
    }

    private function writeAreas(): void
    {
        foreach (State::AREAS as $area) {
            $config = $this->factory->runtimeConfig($area);
            $xml = $this->factory->diXml($area);
            $data = ['arguments' => [], 'preferences' => [], 'instanceTypes' => []];
            foreach ([...$this->classes, ...array_keys($xml->virtualTypes)] as $type) {
                $class = $config->getInstanceType($type);
                if ((new \ReflectionClass($class))->isInstantiable()) {
                    $data['arguments'][$type] = $config->getArguments($type) ?: null;
                }
                if ($class !== $type) {
                    $data['instanceTypes'][$type] = $class;
                }
            }
            foreach (array_keys($xml->preferences) as $type) {
                $data['preferences'][$type] = $config->getPreference($type);
            }
            array_walk($data, static fn (array &$part) => ksort($part));
            $this->write(basename(CompiledConfig::file($area)), $data);
        }
    }

    private function writeInterception(): void
    {
        $this->write('interception.php', array_fill_keys($this->intercepted, true));
    }

    private function writePluginLists(): void
    {
        foreach (State::AREAS as $area) {
            $list = [];
            foreach ($this->intercepted as $class) {
                $list[$class] = $this->factory->pluginTypes()->getPlugins($area, $class);
            }
            $this->write(basename(PluginList::file($area)), array_filter($list));
        }
    }

    private function loadConstructorTypes(string $class): void
    {
        if (!class_exists($class)) {
            return;
        }
        foreach ((new \ReflectionClass($class))->getConstructor()?->getParameters() ?? [] as $parameter) {
            $type = $parameter->getType();
            if ($type instanceof \ReflectionNamedType && !$type->isBuiltin() && !$parameter->isOptional()) {
                $this->load($type->getName(), $class);
            }
        }
    }

    private function load(string $name, string $for): void
    {
        if (!class_exists($name) && !interface_exists($name) && !trait_exists($name)) {
            throw new \ReflectionException("Class \"$name\" does not exist ($for)");
        }
    }

    /**
     * @return string[] classes and interfaces that a folder's files declare, sorted
     */
    private function scan(string $folder): array
    {
        $names = [];
        if (!is_dir($folder)) {
            return $names;
        }
        $files = new \RecursiveIteratorIterator(
            new \RecursiveDirectoryIterator($folder, \FilesystemIterator::SKIP_DOTS)
        );
        foreach ($files as $file) {
            $path = (string) $file;
            if (!str_ends_with($path, '.php') || preg_match('~/(Test|tests)/~', substr($path, strlen($folder)))) {
                continue;
            }
            $code = (string) file_get_contents($path);
            if (
                preg_match('/^namespace ([\w\\\\]+);/m', $code, $namespace)
                && preg_match('/^(?:abstract |final )*(?:class|interface) (\w+)/m', $code, $class)
            ) {
                $names[] = "$namespace[1]\\$class[1]";
            }
        }
        sort($names);

        return $names;
    }

    /**
     * @param array<int|string, mixed> $data
     */
    private function write(string $name, array $data): void
    {
        $folder = BP . '/generated/metadata';
        is_dir($folder) || mkdir($folder, 0775, true);
        file_put_contents("$folder/$name", '<?php return ' . var_export($data, true) . ';');
    }
}
