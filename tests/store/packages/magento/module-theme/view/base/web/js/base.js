define([], function () { 'use strict'; });
