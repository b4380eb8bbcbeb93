<?php
return [
    'install' => ['date' => 'Mon, 02 Nov 2026 00:00:00 +0000'],
    'backend' => ['frontName' => 'admin_bench'],
    'crypt' => ['key' => 'base64YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU='],
    'db' => ['table_prefix' => '', 'connection' => ['default' => [
        'host' => 'database', 'dbname' => 'shop', 'username' => 'shop', 'password' => 'bench',
        'model' => 'mysql4', 'engine' => 'innodb', 'initStatements' => 'SET NAMES utf8;', 'active' => '1',
    ]]],
    'resource' => ['default_setup' => ['connection' => 'default']],
    'session' => ['save' => 'redis', 'redis' => ['host' => 'cache', 'port' => '6379', 'database' => '1']],
    'cache' => ['frontend' => ['default' => [
        'id_prefix' => 'bench_', 'backend' => 'Magento\\Framework\\Cache\\Backend\\Redis',
        'backend_options' => ['server' => 'cache', 'port' => '6379', 'database' => '0'],
    ]]],
    'cache_types' => ['compiled_config' => 1],
    'cron_consumers_runner' => ['cron_run' => false],
];
