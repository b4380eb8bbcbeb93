<?php

/**
 * Loaded only where the development packages are installed.
 */

declare(strict_types=1);

const SAMPLE_DEV_TOOLS = 'dev-tools-must-not-ship';
