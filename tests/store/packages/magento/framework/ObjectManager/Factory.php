<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\State;
use Magento\Framework\Code\Generator;
use Magento\Framework\Interception\PluginList;
use Magento\Framework\Module\ModuleList;

/**
 * Builds the object manager of one process, compiled or not.
 */
class Factory
{
    private DeploymentConfig $deploymentConfig;
    private ?PluginTypes $pluginTypes = null;

    /** @var DiXml[] */
    private array $areas = [];

    public function __construct()
    {
        $this->deploymentConfig = new DeploymentConfig(new DeploymentConfig\Reader());
    }

    /**
     * In production mode only generated/metadata and generated/code count, unless $lenient (setup commands, which
     * run before there is any). In developer mode they are not looked at. In default mode they are used if there.
     */
    public function create(string $area, bool $lenient = false): ObjectManager
    {
        $state = new State($this->deploymentConfig);
        $compiled = $state->getMode() !== State::MODE_DEVELOPER && is_file(CompiledConfig::file('global'));
        $strict = $state->isProduction() && !$lenient;
        if (!$compiled && !$strict) {
            Generator::register();
        }
        $config = $compiled || $strict ? new CompiledConfig($area) : $this->runtimeConfig($area);
        $objectManager = new ObjectManager($config);
        $objectManager->setShared(DeploymentConfig::class, $this->deploymentConfig);
        $objectManager->setShared(State::class, $state);
        $objectManager->setShared(PluginList::class, new PluginList(
            $objectManager,
            $compiled || $strict ? PluginList::read($area) : fn (string $class): array
                => $this->pluginTypes()->getPlugins($area, $class)
        ));
        $state->setAreaCode($area);
        if ($compiled || $strict) {
            $this->enableCompiledConfigCache($objectManager);
        }

        return $objectManager;
    }

    public function runtimeConfig(string $area): RuntimeConfig
    {
        return new RuntimeConfig($this->diXml($area), $this->pluginTypes());
    }

    public function pluginTypes(): PluginTypes
    {
        if ($this->pluginTypes === null) {
            array_map($this->diXml(...), State::AREAS);
            $this->pluginTypes = new PluginTypes($this->areas);
        }

        return $this->pluginTypes;
    }

    public function diXml(string $area): DiXml
    {
        $modules = new ModuleList($this->deploymentConfig);

        return $this->areas[$area] ??= new DiXml([
            DeploymentConfig\Reader::folder() . '/di.xml',
            ...array_values($modules->getConfigFiles('di.xml')),
            ...($area === 'global' ? [] : array_values($modules->getConfigFiles("$area/di.xml"))),
        ]);
    }

    /**
     * A compiled Magento turns the cache type compiled_config on, and so writes env.php, whenever it starts and
     * finds it off: di:compile leaves a stub env.php, and a read-only env.php without cache_types is fatal.
     *
     * Source: Magento 2.4.7, Magento\Framework\App\ObjectManager\Environment\Compiled. Without any env.php the
     * miniature lets a failure to write pass, so that an image can be tried without configuration.
     */
    private function enableCompiledConfigCache(ObjectManager $objectManager): void
    {
        if ($this->deploymentConfig->get('cache_types/compiled_config')) {
            return;
        }
        $missing = !is_file(DeploymentConfig\Reader::folder() . '/' . DeploymentConfig\Reader::ENV);
        if ($missing && (PHP_SAPI !== 'cli' || !is_writable(DeploymentConfig\Reader::folder()))) {
            return;
        }
        (new DeploymentConfig\Writer(new DeploymentConfig\Reader(), $this->deploymentConfig))
            ->saveConfig(DeploymentConfig\Reader::ENV, ['cache_types' => ['compiled_config' => 1]]);
    }
}
