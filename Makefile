# SPDX-License-Identifier: GPL-2.0-only
#
# The targets for people. Kbuild lists the sources that the kernel's build system
# compiles; scripts/ has everything that runs in a test guest.

KREL ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KREL)/build
PREFIX ?= /usr/local
INSTALL_MOD_PATH ?= $(DESTDIR)
CFLAGS ?= -O2 -Wall

# The release that KDIR builds for, which need not be the running one. Modules are
# installed under this name. Do not ask "make kernelrelease", which prints another name
# on Debian's 6.1. Without headers fall back to KREL: uninstall must work after the
# headers were removed.
kdir-release = $(or $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h 2>/dev/null),$(KREL))
kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR)
moddir = updates/mmun
headers = $(DESTDIR)$(PREFIX)/include/mmun
installed = $(INSTALL_MOD_PATH)/lib/modules/$(kdir-release)/$(moddir)
mandir = $(DESTDIR)$(PREFIX)/share/man
man = mmunctl.1 mmun.4 mmun_notifier.9
# Not read before it is used: the guest of check-machine has a Makefile and no VERSION.
version = $(shell cat VERSION)

all: modules

# make exports the variables of its command line to the scripts. The default of KDIR is
# not exported: a script would take it for the user's own kernel.

need-kdir:
	@test -e $(KDIR)/Makefile || { \
	echo "There are no kernel headers at $(KDIR)." >&2; \
	echo "Install them (Debian: apt install linux-headers-$(KREL))" \
	     "or pass KDIR=." >&2; \
	exit 1; }

# Building needs Module.symvers; "make clean" works without it.
need-symvers: need-kdir
	@test -s $(KDIR)/Module.symvers || { \
	echo "There is no Module.symvers at $(KDIR): that kernel was configured but not" \
	     "built. Build it (make vmlinux modules), or pass its headers in KDIR=." >&2; \
	exit 1; }

modules: need-symvers
	+$(kbuild) modules

# Run the probes of compat/ in a temporary directory that has no module, so that nothing
# is left in the tree. The probes for KUnit run only if the kernel has KUnit.
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

tools/mmunctl: $(wildcard tools/*.[ch] include/uapi/linux/*.h) VERSION
	$(CC) $(CPPFLAGS) $(CFLAGS) -DMMUN_VERSION='"$(version)"' -Iinclude/uapi -pthread $(LDFLAGS) \
		-o $@ $(filter %.c,$^)

# The benchmark's program runs from the tree; "make bench" compiles its own for the guest.
bench/mmun-bench: $(wildcard bench/program/*.[ch]) include/uapi/linux/mmun_bench.h VERSION
	$(CC) $(CPPFLAGS) $(CFLAGS) -DMMUN_VERSION='"$(version)"' -Iinclude/uapi -pthread $(LDFLAGS) \
		-o $@ $(filter %.c,$^)

# may-load checks first that the kernel will accept the modules. With DESTDIR a package
# is being staged: skip the check and depmod, which belong to the package's installation.
# If a step fails, uninstall removes everything, an earlier installation too.
install: modules tools
	$(if $(DESTDIR),,@scripts/may-load $(kdir-release) "$(SIGN_KEY)" "$(SIGN_CERT)")
	+@$(MAKE) --no-print-directory install-files || { \
	$(MAKE) -s --no-print-directory uninstall; \
	echo "Nothing is installed: the installation failed and was rolled back; see the" \
	     "error above." >&2; \
	exit 1; }

depmod = $(if $(DESTDIR),true,PATH=$$PATH:/usr/sbin:/sbin depmod -b $(INSTALL_MOD_PATH)/ $(kdir-release))
# A distribution does not ship its signing key: SIGN_KEY and SIGN_CERT are the user's own.
# The modules stay uncompressed: sign-file runs after modules_install, which would have
# compressed them.
kernels-own = CONFIG_MODULE_SIG_ALL= $(patsubst %,CONFIG_MODULE_COMPRESS_%=,GZIP XZ ZSTD)

# An older version may have installed its modules in other directories below: two of one
# name would leave the choice to depmod.
install-files:
	rm -rf $(installed)
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

# mmunctl, the headers and the man pages serve all kernels: remove them with the last one.
uninstall:
	rm -rf $(installed) $(headers)/$(kdir-release)
	[ ! -d $(INSTALL_MOD_PATH)/lib/modules/$(kdir-release) ] || $(depmod)
	@if ls $(headers)/*/Module.symvers 2>/dev/null; then \
		echo "The kernels above still use mmunctl, the headers and the man pages: kept."; \
	else \
		rm -rf $(headers) $(DESTDIR)$(PREFIX)/bin/mmunctl \
			$(foreach m,$(man),$(mandir)/man$(lastword $(subst ., ,$(m)))/$(m)); \
	fi

clean: need-kdir
	+$(kbuild) clean
	rm -f tools/mmunctl bench/mmun-bench test/peer/first_driver.c

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

soak:
	@scripts/soak

evidence:
	@scripts/mmun-run evidence

coverage:
	@scripts/coverage

mutants:
	@bash -c '. scripts/lib.sh; need python3:python3'
	@scripts/mutants $(MUTANTS)

check-all:
	@scripts/check all

events:
	@scripts/events

matrix:
	@bash -c '. scripts/lib.sh; need python3:python3'
	@scripts/matrix

bench:
	@bench/run

profile:
	@bench/profile

docs:
	@scripts/docs

check-package:
	@scripts/package

check-machine:
	@scripts/machine

check-trace:
	@scripts/trace-tools

lint:
	@scripts/lint

selftest:
	@scripts/selftest.sh

test-range:
	@scripts/range

litmus:
	@scripts/litmus

check-dropin:
	@scripts/check-dropin

version:
	@scripts/version

release:
	@scripts/release

help:
	@echo 'Build and use, on this machine:'
	@echo '  make             build mmun.ko, test/driver/mmun_test.ko and bench/module/mmun_bench.ko'
	@echo '  make tools       build tools/mmunctl'
	@echo '  make bench/mmun-bench  build the program of the benchmark (bench/README.md)'
	@echo '  make probes      print the API facts that the probes of compat/ find in the kernel'
	@echo '  make install     install the modules, mmunctl, the headers and the man pages'
	@echo '                   (DESTDIR=, PREFIX=)'
	@echo '  make uninstall   remove the installed files'
	@echo '  make clean       remove the files that were built in the tree'
	@echo '  make docs        build Documentation/ as HTML, with the API'
	@echo
	@echo 'In a QEMU guest with a stock kernel; nothing on this machine is changed:'
	@echo '  make demo        watch a real process through mmun'
	@echo '  make check       run every test on every kernel'
	@echo '  make kunit       run the KUnit suites on a debug kernel, which is built once'
	@echo '  make check-hmm   run upstream'"'"'s hmm-tests on the kernel'"'"'s own core and on mmun'
	@echo '  make check-all   make check, with litmus, coverage, mutants and packages, which take long'
	@echo '  make soak        run the tests RUNS times beside two processes that spin'
	@echo '  make evidence    print what tests each promise of the contract, and when that last passed'
	@echo '  make coverage    measure with gcov how much of the core the tests execute'
	@echo '  make mutants     put small faults into the core: do the suites catch each one?'
	@echo '                   (MUTANTS="012 03", MUTANTS="--for FUNCTION")'
	@echo '  make guest       run the test programs only (TESTS=t_list,t_get,...), or the tests that'
	@echo '                   concern a file (FOR=mmun_itree.c; with KERNEL=6.12-debug KUnit too)'
	@echo '  make events      print which events were seen on which kernel in the last check'
	@echo '  make matrix      run every suite on every kernel (KERNELS="5.10 6.12 6.12-rt-amd64");'
	@echo '                   test kernels are built once'
	@echo '  make bench       measure the cost of mmun beside the in-kernel core'
	@echo '                   (BENCH="register mmap")'
	@echo '  make profile     count the instructions by function for the lines that miss their'
	@echo '                   target (PROFILE="mmap.list.64 exit.list.1")'
	@echo '  make lint        run sparse, W=1, checkpatch, shellcheck and the other source checks'
	@echo '  make check-package  build and install the Debian packages in a chroot'
	@echo '  make check-machine  test udev, lockdown, signatures, and kernels that cannot have mmun'
	@echo '  make check-trace  test the tracepoints with perf, bpftrace and trace-cmd'
	@echo '  make check-dropin  compile the subscribers in the kernel with the drop-in (KERNELS="6.12 7.3")'
	@echo '  make selftest    test the test runner'
	@echo '  make test-range  test the table of the ranges in flight in user space (SEED=N STEPS=N)'
	@echo '  make litmus      check the lockless protocols under the kernel'"'"'s memory model, with herd7'
	@echo '                   (LITMUS="get_ owed")'
	@echo
	@echo 'For the maintainer:'
	@echo '  make version     check that every file states the version in VERSION'
	@echo '  make release     print what is missing for a release; if nothing is, make the tarball'
	@echo
	@echo 'Variables:'
	@echo '  SIGN_KEY=FILE SIGN_CERT=FILE  with install: sign the modules'
	@echo '                     (Documentation/installing.rst)'
	@echo '  KDIR=DIR           kernel headers or build tree to build against'
	@echo '  KERNEL=6.12|6.1    one stock kernel for the guest'
	@echo '  FLAVOUR=debug|kcsan|rt|gcov  with kunit, check-hmm, soak: which test kernel'
	@echo '  SUITE=GLOB CASE=GLOB PROMISE=N SEED=N STEPS=N  with kunit, and the first three with soak:'
	@echo '                     which cases, which random sequence'
	@echo '  KERNEL_IMAGE=FILE  with KDIR=: boot this kernel in the guest'
	@echo '  MMUN_ACCEL=tcg|kvm how QEMU runs the guest (default: kvm where it works)'
	@echo '  MMUN_CACHE=DIR     kernels, builds and logs'
	@echo '                     (default: $${XDG_CACHE_HOME:-~/.cache}/mmun)'
	@echo '  V=1                show the console of the guest'

.PHONY: all need-kdir modules probes tools install install-files uninstall clean need-symvers
.PHONY: demo check check-hmm guest kunit soak evidence coverage mutants check-all events matrix bench profile lint selftest test-range litmus version release help docs check-package check-machine check-trace check-dropin
