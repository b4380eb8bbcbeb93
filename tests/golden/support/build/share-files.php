<?php
/**
 * Lays out what several stages have made so that what they have alike is there once: such folders and
 * files go to pub/static/_shared, and links lead there from where they were.
 *
 * share-files.php FOLDER OUT: each folder in FOLDER is what one stage has made, as it is in the image;
 * OUT gets it by the stage's name, and what is shared as `shared`, each below the files' time.
 */

declare(strict_types=1);

// PHP's file functions only warn: what is not written must end the step.
set_error_handler(static fn (int $level, string $text): bool => throw new RuntimeException($text));

const STATIC_FOLDER = '1577836800/app/pub/static';
const SHARED = '_shared';

/** A folder or file: a hash of all that it holds, and its entries by name if it is a folder. */
final class Node
{
    /** @param array<string, Node>|null $entries */
    public function __construct(
        public readonly string $path,
        public readonly string $hash,
        public readonly ?array $entries,
    ) {
    }
}

/** @var array<string, int> $counts how often a hash was found */
$counts = [];

function readNode(string $path): Node
{
    global $counts;
    $mode = (string) fileperms($path);
    $entries = null;
    if (is_dir($path)) {
        $entries = [];
        foreach (array_diff(scandir($path), ['.', '..']) as $name) {
            $entries[$name] = readNode("$path/$name");
        }
        $lines = array_map(static fn (string $name): string => "$name/{$entries[$name]->hash}", array_keys($entries));
        $hash = sha1("folder $mode\0" . implode("\0", $lines));
    } else {
        $hash = sha1("file $mode " . sha1_file($path));
    }
    $counts[$hash] = ($counts[$hash] ?? 0) + 1;

    return new Node($path, $hash, $entries);
}

/**
 * Writes a node where it belongs. What is there as often as the folder that it lies in is there with
 * it; what is there more often lies among the shared ones.
 *
 * @param int $depth how many folders lie between pub/static and the place
 */
function layOut(Node $node, string $to, int $depth, string $shared): void
{
    global $counts;
    if ($node->entries === null) {
        copy($node->path, $to);
        chmod($to, fileperms($node->path) & 07777);
        touch($to, filemtime($node->path));
        return;
    }
    makeFolder($to, $node->path);
    foreach ($node->entries as $name => $entry) {
        if ($counts[$entry->hash] === $counts[$node->hash]) {
            layOut($entry, "$to/$name", $depth + 1, $shared);
            continue;
        }
        symlink(str_repeat('../', $depth) . SHARED . "/$entry->hash", "$to/$name");
        $place = "$shared/$entry->hash";
        if (!file_exists($place)) {
            layOut($entry, $place, 2, $shared);
        }
    }
}

function makeFolder(string $path, string $like): void
{
    mkdir($path, 0755, true);
    chmod($path, fileperms($like) & 07777);
}

[, $from, $out] = $argv;
$shared = "$out/shared/" . STATIC_FOLDER . '/' . SHARED;
mkdir($shared, 0755, true);
$made = [];
foreach (array_diff(scandir($from), ['.', '..']) as $stage) {
    $made[$stage] = readNode("$from/$stage/" . STATIC_FOLDER);
}
foreach ($made as $stage => $node) {
    // Two stages that made nothing but the same share what is in it, not the folder that all have.
    $counts[$node->hash] = 1;
    $to = "$out/$stage/" . STATIC_FOLDER;
    makeFolder(dirname($to), dirname($node->path));
    layOut($node, $to, 0, $shared);
}
