/* Stands where RequireJS is in Magento. */
var require = function () {};
require.config = function (config) { 'use strict'; require.s = config; };
