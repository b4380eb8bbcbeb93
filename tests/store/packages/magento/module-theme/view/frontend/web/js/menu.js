define(['mage/translate'], function ($t) {
    'use strict';

    return { label: $t('Shopping Cart') };
});
