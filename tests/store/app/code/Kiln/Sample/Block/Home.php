<?php

declare(strict_types=1);

namespace Kiln\Sample\Block;

use Kiln\Sample\Model\GreetingInterface;
use Kiln\Sample\Model\Product;
use Kiln\Sample\Model\ProductFactory;
use Kiln\Sample\Model\Weather;

/**
 * Content of the home page; needs a factory, a proxy, a preference and an interceptor.
 */
class Home
{
    private const CATALOG = ['24-MB01' => 'Joust Duffle Bag', '24-WB04' => 'Push It Messenger Bag'];

    /**
     * @param array<string, string> $links
     */
    public function __construct(
        private ProductFactory $productFactory,
        private GreetingInterface $greeting,
        private Weather $weather,
        private array $links
    ) {
    }

    /**
     * @return Product[]
     */
    public function getProducts(): array
    {
        $products = [];
        foreach (self::CATALOG as $sku => $name) {
            $products[] = $this->productFactory->create(['sku' => $sku, 'name' => $name]);
        }

        return $products;
    }

    public function getGreeting(string $name): string
    {
        return $this->greeting->say($name);
    }

    public function getWeather(): string
    {
        return $this->weather->describe('Berlin');
    }

    /**
     * @return array<string, string>
     */
    public function getLinks(): array
    {
        return $this->links;
    }
}
