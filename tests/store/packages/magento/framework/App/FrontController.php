<?php

declare(strict_types=1);

namespace Magento\Framework\App;

use Magento\Framework\Module\ModuleList;
use Magento\Framework\ObjectManager\ObjectManagerInterface;
use Magento\Framework\View\Page;

/**
 * Finds the action of a request by routes.xml: front name, controller, action.
 *
 * The plugins ConfigChangeDetector and DbStatusValidator hang here, as in Magento.
 */
class FrontController
{
    public function __construct(
        private ObjectManagerInterface $objectManager,
        private ModuleList $moduleList,
        private ActionList $actionList,
        private Config $config,
        private Page $page
    ) {
    }

    public function dispatch(Request $request): Response
    {
        $path = $request->getPath() ?: (string) $this->config->getValue('web/default/front');
        [$front, $controller, $action] = explode('/', strtolower($path)) + ['', 'index', 'index'];
        $module = $this->moduleOf($front);
        $class = strtolower(str_replace('_', '\\', $module) . "\\Controller\\$controller\\$action");
        $actions = $this->actionList->read();
        if ($module === '' || substr_count($path, '/') > 2 || !isset($actions[$class])) {
            return new Response($this->page->render('Magento_Theme::noroute.phtml', '404 Not Found'), 404);
        }

        return $this->objectManager->create($actions[$class])->execute($request);
    }

    private function moduleOf(string $frontName): string
    {
        foreach ($this->moduleList->getConfigFiles('frontend/routes.xml') as $module => $file) {
            $xml = simplexml_load_string((string) file_get_contents($file));
            foreach ($xml->router->route ?? [] as $route) {
                if ((string) $route['frontName'] === $frontName) {
                    return $module;
                }
            }
        }

        return '';
    }
}
