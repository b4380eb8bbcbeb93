<?php
// readers.php through php-fpm.
declare(strict_types=1);

putenv('KILN_PROBE_SETTINGS=' . json_encode([
    ['web/secure/base_url', 'store', 'german'],
    ['adobe_ims/integration/private_key', 'default', null],
]));
header('Content-Type: application/json');
require '/probe.php';
