define(['jquery'], function ($) {
    'use strict';

    $.mage = $.mage || {};
    $.mage.__ = function (text) { return text; };

    return $.mage.__;
});
