<?php
/**
 * Removes from a folder what never goes into an image, where Composer has brought it in: the
 * same list by which Kiln leaves files of the tree out.
 */

declare(strict_types=1);

const EXCLUDED = '~\\A(?:(?:(?:.*/)?(?:\\.git|\\.gitignore|\\.gitattributes|\\.gitmodules|\\.github|\\.gitlab|\\.svn|\\.hg|\\.idea|\\.vscode|\\.DS_Store|\\.editorconfig|Thumbs\\.db)|(?:auth\\.json|app/etc/env\\.php[^/]*|\\.env|\\.env\\.[^/]*|[^/]*\\.sql|[^/]*\\.sql\\.[^/]*|environments|kiln\\.yaml|hooks/after\\-[^/]*|hooks/before\\-[^/]*|hooks/failed\\-[^/]*|\\.ddev|\\.warden|\\.docker|\\.circleci|\\.gitlab\\-ci[^/]*|\\.travis\\.yml|\\.magento[^/]*|bitbucket\\-pipelines\\.yml|Jenkinsfile|Makefile|Dockerfile[^/]*|\\.dockerignore|docker\\-compose[^/]*|compose\\.y[^/]*ml|\\.php\\-cs\\-fixer[^/]*|\\.phpcs[^/]*|phpcs\\.xml[^/]*|phpstan[^/]*|phpunit\\.xml[^/]*|\\.phpunit[^/]*|\\.eslint[^/]*|\\.stylelint[^/]*|Gruntfile\\.js[^/]*|grunt\\-config\\.json[^/]*|package\\.json[^/]*|package\\-lock\\.json|yarn\\.lock|pnpm\\-lock\\.yaml|dev|phpserver|tests|CHANGELOG\\.md|CONTRIBUTING\\.md|README[^/]*\\.md|SECURITY\\.md|ISSUE_TEMPLATE\\.md|PULL_REQUEST_TEMPLATE\\.md|[^/]*\\.sample|pub/errors/local\\.xml\\.sample|vendor/magento/magento2\\-base/dev|vendor/magento/magento2\\-base/lib|vendor/magento/magento2\\-base/setup|vendor/magento/magento2\\-base/pub|vendor/magento/magento2\\-base/app|vendor/magento/magento2\\-base/phpserver|vendor/magento/magento2\\-base/[^/]*\\.sample|node_modules|app/(?:[^/]+/)*node_modules|dev/(?:[^/]+/)*node_modules|app/code/[^/]*/[^/]*/Test|app/code/[^/]*/[^/]*/tests|vendor/[^/]*/[^/]*/Test|vendor/[^/]*/[^/]*/Tests|vendor/[^/]*/[^/]*/test|vendor/[^/]*/[^/]*/tests|app/code/(?:[^/]+/)*Test/Unit|lib/internal/(?:[^/]+/)*Test/Unit|setup/src/(?:[^/]+/)*Test/Unit|vendor/(?:[^/]+/)*Test/Unit|vendor/(?:[^/]+/)*Test/Mftf)|vendor/[^/]+/[^/]+/(?:\\.circleci|\\.coveralls\\.yml|\\.docheader|\\.gitlab\\-ci\\.yml|\\.laminas\\-ci|\\.laminas\\-ci\\.json|\\.php\\-cs\\-fixer[^/]*|\\.php_cs[^/]*|\\.phpcs[^/]*|\\.scrutinizer\\.yml|\\.styleci\\.yml|\\.travis\\.yml|\\.whitesource|appveyor\\.yml|renovate\\.json|phpbench\\.json[^/]*|phpcs\\.xml[^/]*|phpstan[^/]*\\.neon[^/]*|phpunit[^/]*\\.xml[^/]*|psalm[^/]*\\.xml[^/]*|CHANGELOG[^/]*|CODE_OF_CONDUCT[^/]*|CONTRIBUTING[^/]*|README[^/]*|SECURITY[^/]*|UPGRADE[^/]*\\.md|UPGRADING[^/]*\\.md|composer\\.lock)|(?:generated|pub/media|pub/static|var)/(?!\\.htaccess$)[^/]+)(?:/|$))~s';
const KEPT = [];

function isExcluded(string $path): bool
{
    if (!preg_match(EXCLUDED, $path)) {
        return false;
    }
    foreach (KEPT as $kept) {
        if ($path === $kept || str_starts_with($path, $kept . '/') || str_starts_with($kept, $path . '/')) {
            return false;
        }
    }
    return true;
}

function removeAll(string $path): void
{
    if (is_dir($path) && !is_link($path)) {
        foreach (array_diff(scandir($path), ['.', '..']) as $name) {
            removeAll("$path/$name");
        }
        rmdir($path);
    } else {
        unlink($path);
    }
}

function clean(string $root, string $below): void
{
    foreach (array_diff(scandir("$root/$below"), ['.', '..']) as $name) {
        $path = ltrim("$below/$name", '/');
        if (isExcluded($path)) {
            removeAll("$root/$path");
        } elseif (is_dir("$root/$path") && !is_link("$root/$path")) {
            clean($root, $path);
        }
    }
}

clean($argv[1], '');
