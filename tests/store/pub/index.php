<?php

declare(strict_types=1);

require __DIR__ . '/../app/bootstrap.php';

Magento\Framework\App\Bootstrap::run();
