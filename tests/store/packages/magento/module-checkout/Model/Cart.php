<?php

declare(strict_types=1);

namespace Magento\Checkout\Model;

use Magento\Framework\DB\Connection;
use Magento\Framework\Session;
use Magento\Framework\View\Asset;
use Magento\MessageQueue\Model\Publisher;

/**
 * The visitor's cart: its number in the session, its rows in quote and quote_item.
 */
class Cart
{
    private const TOPIC = 'kiln.sample.cart';
    private const DUPLICATE_KEY = '23000';

    public function __construct(
        private Connection $connection,
        private Session $session,
        private Publisher $publisher,
        private Asset $asset
    ) {
    }

    /**
     * Adds an item in one transaction; the same request number a second time changes nothing.
     *
     * @return array{item_id: int, duplicate: bool}
     */
    public function add(string $sku, float $qty, string $requestId): array
    {
        $quoteId = (int) $this->session->get('quote_id');
        $body = (string) json_encode(['request_id' => $requestId, 'sku' => $sku]);
        $transactional = $this->publisher->isTransactional(self::TOPIC);
        try {
            $itemId = $this->connection->transaction(
                function () use ($sku, $qty, $requestId, &$quoteId, $transactional, $body): int {
                    $known = $this->connection->fetchOne('SELECT 1 FROM {quote} WHERE entity_id = ?', [$quoteId]);
                    $quoteId = $known ? $quoteId : $this->connection->insert('quote', ['items_qty' => 0]);
                    $itemId = $this->connection->insert('quote_item', [
                        'quote_id' => $quoteId,
                        'sku' => $sku,
                        'qty' => $qty,
                        'request_id' => $requestId,
                        'host' => gethostname(),
                        'content_version' => $this->asset->getVersion(),
                    ]);
                    $this->connection->query(
                        'UPDATE {quote} SET items_qty = items_qty + ? WHERE entity_id = ?',
                        [$qty, $quoteId]
                    );
                    $transactional && $this->publisher->publish(self::TOPIC, $body);

                    return $itemId;
                }
            );
        } catch (\PDOException $e) {
            $first = (string) $e->getCode() === self::DUPLICATE_KEY ? $this->connection->fetchOne(
                'SELECT item_id FROM {quote_item} WHERE request_id = ?',
                [$requestId]
            ) : false;
            return $first === false ? throw $e : ['item_id' => (int) $first, 'duplicate' => true];
        }
        $transactional || $this->publisher->publish(self::TOPIC, $body);
        $this->session->set('quote_id', $quoteId);

        return ['item_id' => $itemId, 'duplicate' => false];
    }

    /**
     * @return array<int, array<string, mixed>>
     */
    public function getItems(): array
    {
        return $this->connection->fetchAll(
            'SELECT sku, qty, request_id FROM {quote_item} WHERE quote_id = ? ORDER BY item_id',
            [(int) $this->session->get('quote_id')]
        );
    }
}
