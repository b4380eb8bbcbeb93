<?php

/**
 * Page of maintenance mode.
 */

declare(strict_types=1);

http_response_code(503);
header('Retry-After: 60');
header('Content-Type: text/html; charset=UTF-8');
header('Cache-Control: no-store');
?>
<!doctype html>
<title>503 Service Temporarily Unavailable</title>
<h1>Service Temporarily Unavailable</h1>
<p>We're sorry, but the store is being maintained. Please try again later.</p>
