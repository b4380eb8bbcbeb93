<?php

declare(strict_types=1);

namespace Magento\Framework\App;

/**
 * Maintenance is a file in var/, and so holds for one container.
 */
class MaintenanceMode
{
    private const FLAG = BP . '/var/.maintenance.flag';
    private const ADDRESSES = BP . '/var/.maintenance.ip';

    public function isOn(string $remoteAddress = ''): bool
    {
        return is_file(self::FLAG) && !in_array($remoteAddress, $this->getAddresses(), true);
    }

    public function set(bool $on): void
    {
        if (!$on) {
            is_file(self::FLAG) && unlink(self::FLAG);
            return;
        }
        if (!is_dir(dirname(self::FLAG))) {
            mkdir(dirname(self::FLAG), 0775, true);
        }
        if (!touch(self::FLAG)) {
            throw new \RuntimeException('The file "' . self::FLAG . '" cannot be written.');
        }
    }

    /**
     * @return string[]
     */
    public function getAddresses(): array
    {
        return is_file(self::ADDRESSES) ? explode(',', trim((string) file_get_contents(self::ADDRESSES))) : [];
    }

    /**
     * @param string $addresses separated by commas; empty: none
     */
    public function setAddresses(string $addresses): void
    {
        if ($addresses === '') {
            is_file(self::ADDRESSES) && unlink(self::ADDRESSES);
            return;
        }
        if (!preg_match('/^[^\s,]+(,[^\s,]+)*$/', $addresses)) {
            throw new \InvalidArgumentException('One or more IP-addresses is expected (comma-separated)');
        }
        file_put_contents(self::ADDRESSES, $addresses);
    }
}
