var config = {
    deps: ['mage/loader']
};
