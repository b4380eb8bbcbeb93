"""What Magento means: versions, Composer files, config.php, components, paths.

Everything here is a pure reader: it takes bytes or strings the caller has read and gives
frozen values back. Nothing here starts a program, looks at the clock or the environment.
Tables of facts are YAML beside the module which reads them.
"""
