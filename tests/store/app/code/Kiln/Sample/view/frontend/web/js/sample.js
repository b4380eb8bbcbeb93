define(['mage/translate'], function ($t) {
    'use strict';

    return { added: $t('Added to your cart') };
});
