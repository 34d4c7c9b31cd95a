# SPDX-License-Identifier: GPL-2.0-only
#
# What people type. What kbuild compiles is in Kbuild; what runs in a test
# guest is in scripts/.

KREL ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KREL)/build
PREFIX ?= /usr/local
INSTALL_MOD_PATH ?= $(DESTDIR)
CFLAGS ?= -O2 -Wall

# The release that KDIR builds for, which need not be the running one. It is where
# modules go; "make kernelrelease" says another one on Debian's 6.1. To uninstall takes
# no headers: they may be gone.
kdir-release = $(or $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h 2>/dev/null),$(KREL))
kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR)
moddir = updates/mmun
headers = $(DESTDIR)$(PREFIX)/include/mmun
installed = $(INSTALL_MOD_PATH)/lib/modules/$(kdir-release)/$(moddir)
mandir = $(DESTDIR)$(PREFIX)/share/man
man = mmunctl.1 mmun.4 mmun_notifier.9

all: modules

# What the person sets on the command line reaches the scripts by itself; the
# default of KDIR must not, so it is not exported.

need-kdir:
	@test -e $(KDIR)/Makefile || { \
	echo "There are no kernel headers at $(KDIR)." >&2; \
	echo "Install them (Debian: apt install linux-headers-$(KREL))" \
	     "or pass KDIR=." >&2; \
	exit 1; }

# To clean takes no symbols.
need-symvers: need-kdir
	@test -s $(KDIR)/Module.symvers || { \
	echo "There is no Module.symvers at $(KDIR): that kernel was configured and not" \
	     "built. Build it (make vmlinux modules), or pass KDIR= its headers." >&2; \
	exit 1; }

modules: need-symvers
	+$(kbuild) modules

# Without a trace in the tree: kbuild is given a directory that has no module, and
# asks the kernel what it is like. The facts of KUnit only where there is KUnit.
probes: need-kdir
	@dir=$$(mktemp -d) && trap 'rm -rf $$dir' EXIT && \
	printf '%s\n' 'mmun-compat := $(CURDIR)/compat' \
		'MMUN_KUNIT := $$(CONFIG_KUNIT)' \
		'include $$(mmun-compat)/Kbuild.include' >$$dir/Kbuild && \
	$(MAKE) -C $(KDIR) M=$$dir modules >$$dir/log 2>&1; \
	cat $$dir/.mmun-probes* 2>/dev/null >$$dir/found; \
	grep -h '\*\*\* \(This\|this\|mmun\|the probes\)' $$dir/log >&2 && code=1; \
	[ -s $$dir/found ] || { [ -n "$$code" ] || tail -n 5 $$dir/log >&2; exit 1; }; \
	compat/probe $$dir/found; exit $${code:-0}

tools: tools/mmunctl

tools/mmunctl: $(wildcard tools/*.[ch] include/uapi/linux/*.h)
	$(CC) $(CPPFLAGS) $(CFLAGS) -Iinclude/uapi -pthread $(LDFLAGS) \
		-o $@ $(filter %.c,$^)

# Whether the kernel will take the modules is asked before anything is installed. With
# DESTDIR this is a package's staging: depmod is for its installation, and so is the
# question. What fails half way leaves nothing, of an earlier installation either.
install: modules tools
	$(if $(DESTDIR),,@scripts/may-load $(kdir-release) "$(SIGN_KEY)" "$(SIGN_CERT)")
	+@$(MAKE) --no-print-directory install-files || { \
	$(MAKE) -s --no-print-directory uninstall; \
	echo "Nothing is installed: what failed is said above." >&2; \
	exit 1; }

depmod = $(if $(DESTDIR),true,PATH=$$PATH:/usr/sbin:/sbin depmod -b $(INSTALL_MOD_PATH)/ $(kdir-release))
# A distribution does not ship its signing key; SIGN_KEY and SIGN_CERT are the person's own.
# What is signed is not compressed, as the kernel's own may be.
kernels-own = CONFIG_MODULE_SIG_ALL= $(patsubst %,CONFIG_MODULE_COMPRESS_%=,GZIP XZ ZSTD)

install-files:
	+$(kbuild) modules_install INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) \
		INSTALL_MOD_DIR=$(moddir) $(kernels-own)
	@ls $(installed)/mmun.ko >/dev/null
	$(if $(SIGN_KEY),@for m in $$(find $(installed) -name '*.ko'); do \
		$(KDIR)/scripts/sign-file sha256 $(SIGN_KEY) $(SIGN_CERT) $$m || { \
		echo "$(SIGN_KEY) and $(SIGN_CERT) do not sign." >&2; exit 1; }; done)
	@$(depmod)
	install -D -m 755 tools/mmunctl $(DESTDIR)$(PREFIX)/bin/mmunctl
	install -d $(headers)/linux $(headers)/$(kdir-release)
	install -m 644 include/linux/*.h include/uapi/linux/*.h $(headers)/linux
	install -m 644 include/mmun.mk $(headers)/mmun.mk
	install -m 644 Module.symvers $(headers)/$(kdir-release)/Module.symvers
	$(foreach m,$(man),install -D -m 644 Documentation/man/$(m) \
		$(mandir)/man$(lastword $(subst ., ,$(m)))/$(m) &&) true

# What all kernels share goes with the last of them.
uninstall:
	rm -rf $(installed) $(headers)/$(kdir-release)
	[ ! -d $(INSTALL_MOD_PATH)/lib/modules/$(kdir-release) ] || $(depmod)
	@if ls $(headers)/*/Module.symvers 2>/dev/null; then \
		echo "mmunctl, the headers and the man pages stay, for the kernels above."; \
	else \
		rm -rf $(headers) $(DESTDIR)$(PREFIX)/bin/mmunctl \
			$(foreach m,$(man),$(mandir)/man$(lastword $(subst ., ,$(m)))/$(m)); \
	fi

clean: need-kdir
	+$(kbuild) clean
	rm -f tools/mmunctl test/first_driver.c

demo:
	@scripts/demo

check:
	@scripts/check

guest:
	@scripts/suites

kunit:
	@scripts/kunit

check-hmm:
	@scripts/hmm

coverage:
	@scripts/coverage

mutants:
	@scripts/mutants $(MUTANTS)

check-all:
	@MMUN_ALL=1 scripts/check

events:
	@scripts/events

matrix:
	@scripts/matrix

bench:
	@scripts/bench

profile:
	@scripts/profile

docs:
	@scripts/docs

check-package:
	@scripts/package

check-machine:
	@scripts/machine

lint:
	@scripts/lint

selftest:
	@scripts/selftest.sh

help:
	@echo 'Build and use, on this machine:'
	@echo '  make             build mmun.ko, test/mmun_test.ko and bench/mmun_bench.ko'
	@echo '  make tools       build tools/mmunctl'
	@echo '  make probes      print what compat/ finds the kernel to be like'
	@echo '  make install     modules, mmunctl and headers (DESTDIR=, PREFIX=)'
	@echo '  make uninstall   remove what install put there'
	@echo '  make clean       remove what was built in the tree'
	@echo '  make docs        Documentation/ as HTML, with the API'
	@echo
	@echo 'In a QEMU guest with a stock kernel; nothing of this machine is touched:'
	@echo '  make demo        a real process, watched through mmun'
	@echo '  make check       every test, on every kernel'
	@echo '  make kunit       the KUnit suites, on a debug kernel that is built once'
	@echo '  make check-hmm   upstream'"'"'s hmm-tests, on the kernel'"'"'s own core and on mmun'
	@echo '  make check-all   make check and all that takes long: coverage, mutants, packages'
	@echo '  make coverage    what of the core the tests execute, with gcov'
	@echo '  make mutants     do the suites catch small faults in the core (MUTANTS="012 03")?'
	@echo '  make guest       the suites in the guest only (TESTS=t_list,t_get,...)'
	@echo '  make events      print which events were heard on which kernel, last time'
	@echo '  make matrix      every suite on every kernel (KERNELS="5.10 6.12 6.12-rt-amd64"), built once each'
	@echo '  make bench       what mmun costs beside the in-kernel core (BENCH="register mmap")'
	@echo '  make profile     the lines of it that miss their target, by function (PROFILE="mmap.list.64 exit.list.1")'
	@echo '  make lint        sparse, W=1, checkpatch and shellcheck only'
	@echo '  make check-package  build and install the Debian packages, in a chroot'
	@echo '  make check-machine  udev, lockdown, signatures, and kernels that cannot have mmun'
	@echo '  make selftest    test the runner itself'
	@echo
	@echo 'Choices:'
	@echo '  SIGN_KEY=FILE SIGN_CERT=FILE  with install: sign the modules (README.md)'
	@echo '  KDIR=DIR           kernel headers or build tree to build against'
	@echo '  KERNEL=6.12|6.1    one stock kernel for the guest'
	@echo '  FLAVOUR=debug|kcsan|rt|gcov  with kunit, check-hmm: of the test kernel'
	@echo '  SUITE=GLOB CASE=GLOB PROMISE=N SEED=N STEPS=N  with kunit: what to run'
	@echo '  KERNEL_IMAGE=FILE  with KDIR=, your own kernel for the guest'
	@echo '  MMUN_ACCEL=tcg|kvm how the guest runs (default: kvm where it works)'
	@echo '  MMUN_CACHE=DIR     kernels, builds and logs'
	@echo '                     (default: $${XDG_CACHE_HOME:-~/.cache}/mmun)'
	@echo '  V=1                show the guest as it talks'

.PHONY: all need-kdir modules probes tools install install-files uninstall clean need-symvers
.PHONY: demo check check-hmm guest kunit coverage mutants check-all events matrix bench profile lint selftest help docs check-package check-machine
