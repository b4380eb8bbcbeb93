<?php

declare(strict_types=1);

namespace Magento\Checkout\Controller\Cart;

use Magento\Checkout\Model\Cart;
use Magento\Framework\App\ActionInterface;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\Request;
use Magento\Framework\App\Response;
use Magento\Framework\View\Asset;

/**
 * POST /checkout/cart/add with sku, qty and request_id. The answer 200 says that the row is committed.
 */
class Add implements ActionInterface
{
    public function __construct(
        private Cart $cart,
        private Asset $asset,
        private DeploymentConfig $deploymentConfig
    ) {
    }

    public function execute(Request $request): Response
    {
        if (!$request->isPost()) {
            return Response::json(['ok' => false, 'error' => 'POST only'], 405);
        }
        $sku = $request->getParam('sku');
        $qty = (float) $request->getParam('qty', '1');
        $requestId = $request->getParam('request_id') ?: bin2hex(random_bytes(16));
        if ($sku === '' || $qty <= 0 || strlen($requestId) > 64) {
            return Response::json(['ok' => false, 'error' => 'sku, qty and request_id are not right'], 400);
        }
        if (!$this->deploymentConfig->isDbAvailable()) {
            return Response::json(['ok' => false, 'error' => 'the shop is not installed'], 503);
        }

        return Response::json(['ok' => true] + $this->cart->add($sku, $qty, $requestId) + [
            'request_id' => $requestId,
            'content_version' => $this->asset->getVersion(),
        ]);
    }
}
