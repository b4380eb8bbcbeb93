<?php

declare(strict_types=1);

namespace Magento\Framework\Console;

use Magento\Framework\App\Bootstrap;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\ObjectManager\Factory;
use Magento\Framework\ObjectManager\ObjectManager;

/**
 * bin/magento: finds the command, runs it, turns an exception into a message on stderr and exit code 1.
 *
 * As in Magento the commands of the modules exist only once the shop is installed (env.php has install/date);
 * before that the command is "not defined". Setup commands and app:config:import exist always.
 */
class Cli
{
    public const RETURN_SUCCESS = 0;
    public const RETURN_FAILURE = 1;

    private const COMPILE = 'setup:di:compile';

    /**
     * @param string[] $argv
     */
    public function run(array $argv): int
    {
        $tokens = array_slice($argv, 1);
        $name = '';
        foreach ($tokens as $i => $token) {
            if (!str_starts_with($token, '-')) {
                $name = $token;
                unset($tokens[$i]);
                break;
            }
        }
        $output = new Output((bool) array_intersect($tokens, ['-q', '--quiet']));
        if (isset($_SERVER['MAGE_DIRS']) && !isset($_SERVER['MAGE_DIRS']['base']['path'])) {
            $output->writeln('Magento root directory is not specified.');
            return self::RETURN_FAILURE;
        }
        if ($name === '' && array_intersect($tokens, ['--version', '-V'])) {
            $output->writeln('Magento CLI ' . self::version());
            return self::RETURN_SUCCESS;
        }
        $command = null;
        try {
            $commands = $this->commands($this->createObjectManager($name));
            if ($name === '' || $name === 'list') {
                $this->list($commands, $output);
                return self::RETURN_SUCCESS;
            }
            $command = $commands[$name] ?? self::refuse($name, array_keys($commands));
            if (array_intersect($tokens, ['--help', '-h'])) {
                $output->writeln($command::DESCRIPTION, '', 'Usage:', '  ' . $this->usage($command));
                return self::RETURN_SUCCESS;
            }

            return $command->execute(new Input($command, array_values($tokens)), $output);
        } catch (\Throwable $e) {
            $output->error('', sprintf('In %s line %d:', basename($e->getFile()), $e->getLine()), '');
            $output->error('  ' . str_replace("\n", "\n  ", $e->getMessage()), '');
            if ($command !== null) {
                $output->error($this->usage($command), '');
            }

            return self::RETURN_FAILURE;
        }
    }

    /**
     * Version of the product, from what Composer installed.
     */
    public static function version(): string
    {
        return (string) \Composer\InstalledVersions::getPrettyVersion('magento/product-community-edition');
    }

    /**
     * setup:di:compile starts from nothing: what an older compile left would be used else.
     */
    private function createObjectManager(string $command): ObjectManager
    {
        if ($command === self::COMPILE) {
            self::remove(BP . '/generated/code');
            self::remove(BP . '/generated/metadata');
        }
        $lenient = !preg_match('/^(cron|queue|cache|config):/', $command);
        $objectManager = (new Factory())->create('global', $lenient);
        Bootstrap::setObjectManager($objectManager);

        return $objectManager;
    }

    /**
     * @return array<string, Command> by name, sorted
     */
    private function commands(ObjectManager $objectManager): array
    {
        $lists = [$objectManager->get(\Magento\Setup\Console\CommandList::class)->getCommands()];
        if ($objectManager->get(DeploymentConfig::class)->isAvailable()) {
            $lists[] = $objectManager->get(CommandList::class)->getCommands();
        }
        $commands = [];
        foreach (array_merge(...$lists) as $command) {
            $commands[$command::NAME] = $command;
        }
        ksort($commands);

        return $commands;
    }

    /**
     * @param string[] $known
     */
    private static function refuse(string $name, array $known): never
    {
        $namespace = substr($name, 0, (int) strrpos($name, ':'));
        throw new \InvalidArgumentException(
            $namespace !== '' && !preg_grep('/^' . preg_quote($namespace) . ':/', $known)
                ? "There are no commands defined in the \"$namespace\" namespace."
                : "Command \"$name\" is not defined."
        );
    }

    /**
     * @param array<string, Command> $commands
     */
    private function list(array $commands, Output $output): void
    {
        $output->writeln(
            'Magento CLI ' . self::version(),
            '',
            'Usage:',
            '  command [options] [arguments]',
            '',
            'Available commands:'
        );
        foreach ($commands as $name => $command) {
            $output->writeln(sprintf('  %-32s %s', $name, $command::DESCRIPTION));
        }
    }

    private function usage(Command $command): string
    {
        $parts = [$command::NAME];
        foreach ($command->options() as $name => $option) {
            $value = strtoupper($name);
            $value = $option[1] & 2 ? " $value" : ($option[1] ? " [$value]" : '');
            $parts[] = '[' . ($option[0] ? "-$option[0]|" : '') . "--$name$value]";
        }
        if ($command->arguments()) {
            $parts[] = '[--]';
        }
        foreach (array_keys($command->arguments()) as $name) {
            $parts[] = match (substr($name, -1)) {
                '*' => '[<' . rtrim($name, '*') . '>...]',
                '?' => '[<' . rtrim($name, '?') . '>]',
                default => "<$name>",
            };
        }

        return implode(' ', $parts);
    }

    /**
     * Removes a file or folder with all in it.
     */
    public static function remove(string $path): void
    {
        if (is_dir($path) && !is_link($path)) {
            foreach (array_diff((array) scandir($path), ['.', '..']) as $name) {
                self::remove("$path/$name");
            }
            rmdir($path);
        } elseif (is_file($path) || is_link($path)) {
            unlink($path);
        }
    }
}
