packer {
  required_plugins {
    qemu = { source = "github.com/hashicorp/qemu", version = "~> 1" }
  }
}

variable "kubernetes_version" {
  type    = string
  default = "1.35.4"
}

locals {
  release = "10.1"
  stamp   = formatdate("YYYYMMDD", timestamp())
}

source "qemu" "rocky" {
  iso_url           = "https://download.rockylinux.org/pub/rocky/${local.release}/images/x86_64/Rocky-10-GenericCloud-Base.latest.x86_64.qcow2"
  iso_checksum      = "file:https://download.rockylinux.org/pub/rocky/${local.release}/images/x86_64/CHECKSUM"
  disk_image        = true
  vm_name           = "rocky-${local.stamp}.qcow2"
  efi_firmware_code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
  cpu_model         = "host"
  cpus              = 4
  memory            = 3072
  format            = "qcow2"
  ssh_username      = "packer"

  cd_content = {
    "meta-data" = ""
    "user-data" = <<-EOF
      #cloud-config
      ssh_pwauth: true
    EOF
  }
}

build {
  sources = ["source.qemu.rocky"]

  provisioner "ansible" {
    playbook_file = "./ansible/main.yml"
    extra_arguments = [
      # versions
      "--extra-vars", "node_kubernetes_version=${var.kubernetes_version} node_cni_version=1.8.0 colour=blue"
    ]
  }

  provisioner "shell" {
    inline = ["sudo cloud-init clean --logs --seed --machine-id"]
  }

  post-processor "manifest" {}
}
