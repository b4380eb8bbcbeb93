<?php

declare(strict_types=1);

namespace Magento\Checkout\Controller\Cart;

use Magento\Checkout\Model\Cart;
use Magento\Framework\App\ActionInterface;
use Magento\Framework\App\DeploymentConfig;
use Magento\Framework\App\Request;
use Magento\Framework\App\Response;
use Magento\Framework\View\Page;

/**
 * /checkout/cart: what this visitor has put into the cart.
 */
class Index implements ActionInterface
{
    public function __construct(
        private Page $page,
        private Cart $cart,
        private DeploymentConfig $deploymentConfig
    ) {
    }

    public function execute(Request $request): Response
    {
        $items = $this->deploymentConfig->isDbAvailable() ? $this->cart->getItems() : [];

        return new Response($this->page->render('Magento_Checkout::cart.phtml', 'Shopping Cart', ['items' => $items]));
    }
}
