define(['jquery', 'mage/translate'], function ($, $t) {
    'use strict';

    return { text: $t('Loading...') };
});
