<?php

declare(strict_types=1);

namespace Magento\Framework\Exception;

/**
 * A fault with a message for the user, raised by commands and by front controller plugins.
 */
class LocalizedException extends \RuntimeException
{
}
