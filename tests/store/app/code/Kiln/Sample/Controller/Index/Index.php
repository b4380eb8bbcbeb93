<?php

declare(strict_types=1);

namespace Kiln\Sample\Controller\Index;

use Kiln\Sample\Block\Home;
use Magento\Framework\App\ActionInterface;
use Magento\Framework\App\Config;
use Magento\Framework\App\Request;
use Magento\Framework\App\Response;
use Magento\Framework\View\Page;

/**
 * The home page. It needs no database.
 */
class Index implements ActionInterface
{
    public function __construct(private Page $page, private Config $config, private Home $home)
    {
    }

    public function execute(Request $request): Response
    {
        $baseUrl = (string) $this->config->getValue('web/unsecure/base_url');

        return new Response($this->page->render(
            'Kiln_Sample::home.phtml',
            (string) $this->config->getValue('kiln/sample/greeting'),
            [
                'home' => $this->home,
                'baseUrl' => $baseUrl === '{{base_url}}' ? $request->getBaseUrl() : $baseUrl,
            ]
        ));
    }
}
