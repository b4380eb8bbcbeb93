<?php
return [
    'modules' => [
        'Magento_Store' => 1,
        'Magento_Customer' => 1,
        'Magento_Cron' => 1,
        'Magento_MessageQueue' => 1,
        'Magento_Checkout' => 1,
        'Magento_Config' => 1,
        'Magento_Theme' => 1,
        'Kiln_Sample' => 1,
        'Magento_Deploy' => 1
    ],
    'scopes' => [
        'websites' => [
            'admin' => [
                'website_id' => '0',
                'code' => 'admin',
                'name' => 'Admin',
                'sort_order' => '0',
                'default_group_id' => '0',
                'is_default' => '0'
            ],
            'base' => [
                'website_id' => '1',
                'code' => 'base',
                'name' => 'Main Website',
                'sort_order' => '0',
                'default_group_id' => '1',
                'is_default' => '1'
            ]
        ],
        'groups' => [
            [
                'group_id' => '0',
                'website_id' => '0',
                'name' => 'Default',
                'root_category_id' => '0',
                'default_store_id' => '0',
                'code' => 'default'
            ],
            [
                'group_id' => '1',
                'website_id' => '1',
                'name' => 'Main Website Store',
                'root_category_id' => '2',
                'default_store_id' => '1',
                'code' => 'main_website_store'
            ]
        ],
        'stores' => [
            'admin' => [
                'store_id' => '0',
                'code' => 'admin',
                'website_id' => '0',
                'group_id' => '0',
                'name' => 'Admin',
                'sort_order' => '0',
                'is_active' => '1'
            ],
            'default' => [
                'store_id' => '1',
                'code' => 'default',
                'website_id' => '1',
                'group_id' => '1',
                'name' => 'Default Store View',
                'sort_order' => '0',
                'is_active' => '1'
            ],
            'german' => [
                'store_id' => '2',
                'code' => 'german',
                'website_id' => '1',
                'group_id' => '1',
                'name' => 'Deutsch',
                'sort_order' => '10',
                'is_active' => '1'
            ]
        ]
    ],
    'themes' => [
        'adminhtml/Magento/backend' => [
            'parent_id' => null,
            'theme_path' => 'Magento/backend',
            'theme_title' => 'Magento 2 backend',
            'is_featured' => '0',
            'area' => 'adminhtml',
            'type' => '0',
            'code' => 'Magento/backend'
        ],
        'frontend/Magento/blank' => [
            'parent_id' => null,
            'theme_path' => 'Magento/blank',
            'theme_title' => 'Magento Blank',
            'is_featured' => '0',
            'area' => 'frontend',
            'type' => '0',
            'code' => 'Magento/blank'
        ],
        'frontend/Magento/luma' => [
            'parent_id' => 'Magento/blank',
            'theme_path' => 'Magento/luma',
            'theme_title' => 'Magento Luma',
            'is_featured' => '0',
            'area' => 'frontend',
            'type' => '0',
            'code' => 'Magento/luma'
        ],
        'frontend/Kiln/sample' => [
            'parent_id' => 'Magento/luma',
            'theme_path' => 'Kiln/sample',
            'theme_title' => 'Kiln Sample',
            'is_featured' => '0',
            'area' => 'frontend',
            'type' => '0',
            'code' => 'Kiln/sample'
        ]
    ],
    'system' => [
        'default' => [
            'dev' => [
                'js' => [
                    'merge_files' => '0'
                ],
                'template' => [
                    'minify_html' => '0'
                ]
            ],
            'design' => [
                'theme' => [
                    'theme_id' => 'frontend/Kiln/sample'
                ]
            ],
            'general' => [
                'store_information' => [
                    'name' => 'Kiln Sample Shop'
                ]
            ]
        ],
        'stores' => [
            'german' => [
                'general' => [
                    'locale' => [
                        'code' => 'de_DE'
                    ]
                ]
            ]
        ]
    ]
];
