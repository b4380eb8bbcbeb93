<?php

declare(strict_types=1);

namespace Magento\Setup\Console\Command;

use Magento\Deploy\Service\DeployStaticContent;
use Magento\Framework\App\State;
use Magento\Framework\Console\Cli;
use Magento\Framework\Console\Command;
use Magento\Framework\Console\Input;
use Magento\Framework\Console\Output;
use Magento\Framework\ObjectManager\ObjectManagerInterface;

/**
 * setup:static-content:deploy. Source of options, messages and exit codes: Magento 2.4.7, class of the same name,
 * Magento\Deploy\Console\DeployStaticOptions and InputValidator.
 */
class DeployStaticContentCommand extends Command
{
    public const NAME = 'setup:static-content:deploy';
    public const DESCRIPTION = 'Deploys static view files';

    public function __construct(private State $state, private ObjectManagerInterface $objectManager)
    {
    }

    public function options(): array
    {
        $many = self::OPTIONAL | self::MANY;

        return [
            'force' => ['f', self::NONE, 'Deploy files in any mode.'],
            'strategy' => ['s', self::OPTIONAL, 'Deploy files using specified strategy.', 'quick'],
            'area' => ['a', $many, 'Generate files only for the specified areas.', ['all']],
            'exclude-area' => [null, $many, 'Do not generate files for the specified areas.', ['none']],
            'theme' => ['t', $many, 'Generate static view files for only the specified themes.', ['all']],
            'exclude-theme' => [null, $many, 'Do not generate files for the specified themes.', ['none']],
            'language' => ['l', $many, 'Generate files only for the specified languages.', ['all']],
            'exclude-language' => [null, $many, 'Do not generate files for the specified languages.', ['none']],
            'jobs' => ['j', self::OPTIONAL, 'Enable parallel processing using the specified number of jobs.', 0],
            'max-execution-time' => [null, self::OPTIONAL, 'The maximum expected execution time (in seconds).', 900],
            'symlink-locale' => [null, self::NONE, 'Create symlinks for the files of locales without customizations.'],
            'content-version' => [null, self::REQUIRED, 'Custom version of static content.'],
            'refresh-content-version-only' => [null, self::NONE, 'Refresh the version of static content only.'],
            'no-javascript' => [null, self::NONE, 'Do not deploy JavaScript files.'],
            'no-js-bundle' => [null, self::NONE, 'Do not deploy JavaScript bundle files.'],
            'no-css' => [null, self::NONE, 'Do not deploy CSS files.'],
            'no-less' => [null, self::NONE, 'Do not deploy LESS files.'],
            'no-images' => [null, self::NONE, 'Do not deploy images.'],
            'no-fonts' => [null, self::NONE, 'Do not deploy font files.'],
            'no-html' => [null, self::NONE, 'Do not deploy HTML files.'],
            'no-misc' => [null, self::NONE, 'Do not deploy files of other types (.md, .jbf, .csv, etc.).'],
            'no-html-minify' => [null, self::NONE, 'Do not minify HTML files.'],
            'no-parent' => [null, self::NONE, 'Do not compile parent themes.'],
        ];
    }

    public function arguments(): array
    {
        return ['languages*' => 'Space-separated list of ISO-639 language codes.'];
    }

    public function execute(Input $input, Output $output): int
    {
        $start = microtime(true);
        if (!$input->getOption('force') && !$this->state->isProduction()) {
            throw new \InvalidArgumentException(
                "NOTE: Manual static content deployment is not required in \"default\" and \"developer\" modes.\n"
                . "In \"default\" and \"developer\" modes static contents are being deployed automatically on demand.\n"
                . "If you still want to deploy in these modes, use -f option: "
                . "'bin/magento setup:static-content:deploy -f'"
            );
        }
        $this->validate($input);
        $options = $input->getOptions();
        $options['language'] = $input->getArgument('languages') ?: $options['language'];
        $refreshOnly = $options['refresh-content-version-only'];
        $exitCode = Cli::RETURN_SUCCESS;
        $refreshOnly || $output->writeln('', "Deploy using {$options['strategy']} strategy");
        try {
            $this->objectManager->get(DeployStaticContent::class)->deploy($options, $output);
        } catch (\Throwable $e) {
            $output->error('Error happened during deploy process: ' . $e->getMessage());
            $exitCode = Cli::RETURN_FAILURE;
        }
        $refreshOnly || $output->writeln('', 'Execution time: ' . (microtime(true) - $start));

        return $exitCode;
    }

    private function validate(Input $input): void
    {
        foreach (['area' => 'a', 'theme' => 't'] as $name => $short) {
            if ($input->getOption($name)[0] !== 'all' && $input->getOption("exclude-$name")[0] !== 'none') {
                throw new \InvalidArgumentException(
                    "--$name (-$short) and --exclude-$name cannot be used at the same time"
                );
            }
        }
        $known = array_flip(\ResourceBundle::getLocales(''));
        foreach ($input->getArgument('languages') as $locale) {
            if (!isset($known[$locale])) {
                throw new \InvalidArgumentException(
                    "$locale argument has invalid value, please run info:language:list for list of available locales"
                );
            }
        }
        if ($input->getArgument('languages') && $input->getOption('exclude-language')[0] !== 'none') {
            throw new \InvalidArgumentException(
                '--language (-l) and --exclude-language cannot be used at the same time'
            );
        }
        if (!preg_match('/^[A-Za-z0-9_.]*$/', (string) $input->getOption('content-version'))) {
            throw new \InvalidArgumentException(
                'Argument "content-version" has invalid value, content version should contain only characters,'
                . ' digits and dots'
            );
        }
        if ($input->getOption('no-parent') && !in_array($input->getOption('strategy'), ['quick', 'standard'], true)) {
            throw new \InvalidArgumentException(sprintf(
                'Argument "no-parent" is not supported with "%s" strategy',
                $input->getOption('strategy')
            ));
        }
    }
}
