<?php

declare(strict_types=1);

namespace Magento\Framework\Code;

/**
 * Writes factories, proxies and interceptors to generated/code.
 *
 * Source of the conventions: Magento 2.4.7, Magento\Framework\ObjectManager\Code\Generator\{Factory, Proxy} and
 * Magento\Framework\Interception\Code\Generator\Interceptor.
 */
class Generator
{
    public const FACTORY = 'Factory';
    public const PROXY = '\\Proxy';
    public const INTERCEPTOR = '\\Interceptor';

    /**
     * Lets the autoloader generate what it does not find.
     */
    public static function register(): void
    {
        static $registered = false;
        if (!$registered) {
            $registered = spl_autoload_register([self::class, 'generate']);
        }
    }

    /**
     * Generates and loads a class whose name says what it is; other names are left alone.
     */
    public static function generate(string $class): void
    {
        foreach ([self::INTERCEPTOR, self::PROXY, self::FACTORY] as $suffix) {
            $source = substr($class, 0, -strlen($suffix));
            if (!str_ends_with($class, $suffix) || $source === '' || str_ends_with($source, '\\')) {
                continue;
            }
            if (!class_exists($source) && !interface_exists($source)) {
                throw new \RuntimeException("Source class \"\\$source\" for \"$class\" generation does not exist.");
            }
            $code = match ($suffix) {
                self::FACTORY => self::factory($source),
                self::PROXY => self::proxy(new \ReflectionClass($source)),
                self::INTERCEPTOR => self::interceptor(new \ReflectionClass($source)),
            };
            $file = BP . '/generated/code/' . str_replace('\\', '/', $class) . '.php';
            if (!is_dir(dirname($file)) && !@mkdir(dirname($file), 0775, true) && !is_dir(dirname($file))) {
                throw new \RuntimeException('The directory ' . dirname($file) . ' cannot be created.');
            }
            $temporary = $file . '.' . getmypid();
            file_put_contents($temporary, $code);
            rename($temporary, $file);
            require_once $file;
            return;
        }
    }

    private static function factory(string $source): string
    {
        $name = substr((string) strrchr('\\' . $source, '\\'), 1);

        return self::head($source, 0) . <<<PHP

            /**
             * Factory class for @see \\$source
             */
            class {$name}Factory
            {
                public function __construct(
                    private \\Magento\\Framework\\ObjectManager\\ObjectManagerInterface \$objectManager,
                    private string \$instanceName = '\\\\$source'
                ) {
                }

                public function create(array \$data = []): \\$source
                {
                    return \$this->objectManager->create(\$this->instanceName, \$data);
                }
            }

            PHP;
    }

    private static function proxy(\ReflectionClass $source): string
    {
        $relation = $source->isInterface() ? 'implements' : 'extends';
        $methods = '';
        foreach (self::methods($source) as $method) {
            $methods .= self::method($method, '$this->_getSubject()->' . $method->getName());
        }

        return self::head($source->getName(), 1) . <<<PHP

            /**
             * Proxy class for @see \\{$source->getName()}
             */
            class Proxy $relation \\{$source->getName()}
            {
                private ?\\{$source->getName()} \$_subject = null;

                public function __construct(
                    private \\Magento\\Framework\\ObjectManager\\ObjectManagerInterface \$_objectManager,
                    private string \$_instanceName = '\\\\{$source->getName()}'
                ) {
                }

                private function _getSubject(): \\{$source->getName()}
                {
                    return \$this->_subject ??= \$this->_objectManager->get(\$this->_instanceName);
                }
            $methods}

            PHP;
    }

    private static function interceptor(\ReflectionClass $source): string
    {
        $methods = '';
        foreach (self::methods($source) as $method) {
            $name = $method->getName();
            $call = "\$this->___callPlugins('$name', func_get_args(), parent::$name(...))";
            $methods .= self::method($method, $call, true);
        }

        return self::head($source->getName(), 1) . <<<PHP

            /**
             * Interceptor class for @see \\{$source->getName()}
             */
            class Interceptor extends \\{$source->getName()}
            {
                use \\Magento\\Framework\\Interception\\Interceptor;
            $methods}

            PHP;
    }

    private static function head(string $source, int $levelsUp): string
    {
        $namespace = $levelsUp ? $source : substr($source, 0, (int) strrpos($source, '\\'));

        return "<?php\n\nnamespace $namespace;\n";
    }

    /**
     * @return \ReflectionMethod[] the methods that a child may replace, sorted by name
     */
    private static function methods(\ReflectionClass $class): array
    {
        $methods = [];
        foreach ($class->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
            if (!$method->isStatic() && !$method->isFinal() && !str_starts_with($method->getName(), '__')) {
                $methods[$method->getName()] = $method;
            }
        }
        ksort($methods);

        return $methods;
    }

    private static function method(\ReflectionMethod $method, string $call, bool $whole = false): string
    {
        $parameters = $names = [];
        foreach ($method->getParameters() as $parameter) {
            $parameters[] = self::parameter($parameter);
            $names[] = ($parameter->isVariadic() ? '...' : '') . '$' . $parameter->getName();
        }
        $type = $method->hasReturnType() ? ': ' . self::type($method->getReturnType(), $method) : '';
        $return = in_array($type, [': void', ': never'], true) ? '' : 'return ';
        $call .= $whole ? '' : '(' . implode(', ', $names) . ')';

        return "\n    public function {$method->getName()}(" . implode(', ', $parameters) . ")$type\n"
            . "    {\n        $return$call;\n    }\n";
    }

    private static function parameter(\ReflectionParameter $parameter): string
    {
        $type = $parameter->getType();
        $code = $type === null ? '' : self::type($type, $parameter->getDeclaringFunction()) . ' ';
        $code .= ($parameter->isPassedByReference() ? '&' : '') . ($parameter->isVariadic() ? '...' : '');
        $code .= '$' . $parameter->getName();

        return $parameter->isDefaultValueAvailable()
            ? $code . ' = ' . var_export($parameter->getDefaultValue(), true)
            : $code;
    }

    private static function type(\ReflectionType $type, \ReflectionFunctionAbstract $method): string
    {
        if ($type instanceof \ReflectionNamedType) {
            $name = match (true) {
                $type->getName() === 'self' && $method instanceof \ReflectionMethod
                    => '\\' . $method->getDeclaringClass()->getName(),
                $type->isBuiltin(), $type->getName() === 'static' => $type->getName(),
                default => '\\' . $type->getName(),
            };

            return ($type->allowsNull() && !in_array($name, ['mixed', 'null'], true) ? '?' : '') . $name;
        }
        $glue = $type instanceof \ReflectionUnionType ? '|' : '&';

        return implode($glue, array_map(
            static fn (\ReflectionType $part): string => ltrim(self::type($part, $method), '?'),
            $type->getTypes()
        ));
    }
}
