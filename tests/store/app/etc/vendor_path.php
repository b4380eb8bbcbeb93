<?php

/**
 * Path of Composer's vendor directory.
 */

return './vendor';
