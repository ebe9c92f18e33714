memory       = "4096"
runc_version = null
headless     = true
