<?php

declare(strict_types=1);

namespace Magento\Framework\ObjectManager;

/**
 * Makes objects and keeps the shared ones.
 */
class ObjectManager implements ObjectManagerInterface
{
    /** @var array<string, object> */
    private array $shared = [];

    /** @var array<string, true> */
    private array $making = [];

    public function __construct(private ConfigInterface $config)
    {
        $this->shared[ObjectManagerInterface::class] = $this->shared[self::class] = $this;
    }

    /**
     * Changes to the configuration of another area; objects already made stay.
     */
    public function setConfig(ConfigInterface $config): void
    {
        $this->config = $config;
    }

    public function setShared(string $type, object $object): void
    {
        $this->shared[$type] = $object;
    }

    public function get(string $type): object
    {
        $type = $this->config->getPreference(ltrim($type, '\\'));

        return $this->shared[$type] ??= $this->create($type);
    }

    public function create(string $type, array $arguments = []): object
    {
        $type = $this->config->getPreference(ltrim($type, '\\'));
        $class = $this->config->getInstanceType($type);
        if (isset($this->making[$type])) {
            throw new \LogicException("Circular dependency: " . implode(' depends on ', array_keys($this->making)));
        }
        $this->making[$type] = true;
        try {
            $values = [];
            foreach ($this->config->getArguments($type) as $name => $argument) {
                $values[] = array_key_exists($name, $arguments)
                    ? $arguments[$name]
                    : $this->resolve($argument, "$class::\$$name");
            }

            return new $class(...$values);
        } finally {
            unset($this->making[$type]);
        }
    }

    /**
     * @param array<string, mixed> $argument
     */
    private function resolve(array $argument, string $place): mixed
    {
        if (isset($argument['_missing_'])) {
            throw new \BadMethodCallException("Missing required argument $place");
        }
        if (isset($argument['_i_'])) {
            return $this->get($argument['_i_']);
        }
        if (isset($argument['_vac_'])) {
            return array_map(fn (array $item): mixed => $this->resolve($item, $place), $argument['_vac_']);
        }

        return $argument['_v_'];
    }
}
