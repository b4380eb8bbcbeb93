<?php
// Magento's caches for the time of a deployment: without env.php all of them are off.
return ['cache_types' => ['compiled_config' => 1, 'config' => 1, 'reflection' => 1, 'translate' => 1]];
