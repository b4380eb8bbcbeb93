<?php

declare(strict_types=1);

namespace Kiln\Sample\Controller\Sample;

use Magento\Framework\App\ActionInterface;
use Magento\Framework\App\Request;
use Magento\Framework\App\Response;
use Magento\Framework\View\Asset;

/**
 * /kiln/sample/slow?ms=500: an answer that takes its time, at most 30 seconds.
 */
class Slow implements ActionInterface
{
    private const LONGEST_MS = 30000;

    public function __construct(private Asset $asset)
    {
    }

    public function execute(Request $request): Response
    {
        $ms = max(0, min(self::LONGEST_MS, (int) $request->getParam('ms', '1000')));
        usleep(1000 * $ms);

        return Response::json(['slept_ms' => $ms, 'content_version' => $this->asset->getVersion()]);
    }
}
