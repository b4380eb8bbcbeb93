<?php

/**
 * Page after a fault; shows its number, in developer mode the fault itself.
 *
 * @var string $id
 * @var string $detail
 */

declare(strict_types=1);

header('Content-Type: text/html; charset=UTF-8');
header('Cache-Control: no-store');
?>
<!doctype html>
<title>There has been an error processing your request</title>
<h1>There has been an error processing your request</h1>
<p>Exception printing is disabled by default for security reasons.</p>
<p>Error log record number: <?= htmlspecialchars($id) ?></p>
<pre><?= htmlspecialchars($detail) ?></pre>
