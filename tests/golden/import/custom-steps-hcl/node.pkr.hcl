variable "user" { default = "admin" }

source "qemu" "one" {
  iso_url      = "disks/debian-13.qcow2"
  iso_checksum = "none"
  disk_image   = true
  disk_size    = 20480
}

source "qemu" "two" {
  iso_url = "disks/other.qcow2"
}

build {
  sources = ["source.qemu.one", "source.qemu.two"]

  provisioner "file" {
    content     = "user = ${var.user}\n"
    destination = "/etc/node.conf"
  }

  provisioner "shell" {
    env              = { USER_NAME = var.user }
    inline           = ["useradd --create-home \"$USER_NAME\""]
    valid_exit_codes = [0, 9]
  }

  provisioner "shell" {
    script = local.unknown
  }

  provisioner "shell-local" {
    inline = ["echo here"]
  }

  post-processors {
    post-processor "checksum" {}
    post-processor "vagrant" {}
  }
}
