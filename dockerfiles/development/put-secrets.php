<?php
/**
 * An argument --name=@secret gets the content of /run/secrets/secret here, inside the process, so
 * that the value stands in no command line.
 */

declare(strict_types=1);

$_SERVER['argv'] = $argv = array_map(
    static fn (string $argument): string => preg_replace_callback(
        '~^(--[\w-]+=)@(\w+)$~D',
        static fn (array $match): string => $match[1] . trim(file_get_contents("/run/secrets/$match[2]")),
        $argument
    ),
    $_SERVER['argv']
);

// PHP runs one file before a script, and this takes the place of php.ini's.
require '/etc/kiln/settings/settings.php';
