var config = {
    map: {
        '*': {
            menu: 'Magento_Theme/js/menu'
        }
    }
};
