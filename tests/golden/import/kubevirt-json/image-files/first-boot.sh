#!/bin/sh
systemctl disable kubevirt-installer
