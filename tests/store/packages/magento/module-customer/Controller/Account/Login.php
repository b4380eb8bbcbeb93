<?php

declare(strict_types=1);

namespace Magento\Customer\Controller\Account;

use Magento\Framework\App\ActionInterface;
use Magento\Framework\App\Request;
use Magento\Framework\App\Response;
use Magento\Framework\Session;
use Magento\Framework\View\Page;

/**
 * /customer/account/login: a form whose key is kept in the session.
 */
class Login implements ActionInterface
{
    public function __construct(private Page $page, private Session $session)
    {
    }

    public function execute(Request $request): Response
    {
        $key = $this->session->get('_form_key') ?? bin2hex(random_bytes(8));
        $this->session->set('_form_key', $key);

        $html = $this->page->render('Magento_Customer::login.phtml', 'Customer Login', ['formKey' => $key]);

        return new Response($html);
    }
}
