# SPDX-License-Identifier: GPL-2.0-only
#
# For the Kbuild of a driver that uses mmun, and may have subdirectories:
#
#	include /usr/local/include/mmun/mmun.mk
#	subdir-ccflags-y += $(mmun-ccflags)
#
# make install puts it there, the package mmun-dev into /usr/include/mmun; example/Kbuild
# has the line that finds it in either. It finds the headers beside itself, and the
# Module.symvers of mmun for the kernel that the driver is built for: without it the
# driver would not link, and with another kernel's it would not load.

mmun-include := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
mmun-ccflags := -I$(mmun-include)

ifneq ($(wildcard $(mmun-include)/uapi),)
# In mmun's own tree.
mmun-ccflags += -I$(mmun-include)/uapi
mmun-symvers := $(wildcard $(mmun-include)/../Module.symvers)
# The tree holds one build, which may be for another kernel.
mmun-release := $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' \
	$(objtree)/include/generated/utsrelease.h 2>/dev/null)
ifeq ($(shell grep -aqs "vermagic=$(mmun-release) " $(mmun-include)/../mmun.ko && echo same),)
mmun-symvers :=
endif
else
# Where make install has put it, or where DKMS keeps what it has built.
mmun-symvers := $(firstword $(wildcard \
	$(mmun-include)/$(KERNELRELEASE)/Module.symvers \
	/var/lib/dkms/mmun/kernel-$(KERNELRELEASE)-*/Module.symvers))
endif

# kbuild also reads this to clean, without a configuration: ask nothing then.
ifneq ($(CONFIG_MODULES),)
ifeq ($(mmun-symvers),)
$(error mmun is not built for kernel $(KERNELRELEASE): there is no Module.symvers of it; \
	build it for that kernel first (dkms install mmun/VERSION -k $(KERNELRELEASE), or make in its tree))
endif
endif
# override: it may be set on the command line of make, too.
override KBUILD_EXTRA_SYMBOLS += $(mmun-symvers)
