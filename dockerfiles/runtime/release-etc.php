<?php
/**
 * Has bin/magento use kiln-release's copy of app/etc. Setup commands refuse MAGE_DIRS without `base`.
 */

$_SERVER['MAGE_DIRS'] = ['base' => ['path' => '/app'], 'etc' => ['path' => '/tmp/kiln-etc']];
