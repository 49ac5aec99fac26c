# SPDX-License-Identifier: GPL-2.0
#
# The front door. kbuild reads Kbuild instead; what the targets do is in scripts/.

V ?= 0
export BOARD V WITH

Q := $(if $(filter-out 0,$(V)),,@)
enter := scripts/toolchain/enter.sh
comma := ,

.PHONY: help run test host check check-debug check-all self-test mutants bench shell modules dtbs fmt lint rust-analyzer guest pc clean
.NOTPARALLEL:

help:
	@echo 'make run            boot QEMU and show data being moved by a DMA engine'
	@echo 'make test T=<name>  build what it needs, and run one test, or several, on one machine: the inner loop'
	@echo 'make host           run the tests that need no kernel; T=<part of a name> chooses some'
	@echo 'make lint           shellcheck, checkpatch, rustfmt, clippy, what must not compile, dtc, dt-schema and modinfo; every warning is an error'
	@echo 'make check          lint, and run the suite on every machine, and with bounce buffers on one of each engine'
	@echo 'make check-debug    build a debugging kernel, and run the suite on it on a machine of each engine'
	@echo 'make self-test      plant known bugs one by one, and see that the suite notices each'
	@echo 'make mutants        make small random changes, and list those that no test notices'
	@echo 'make bench          count what a transfer costs, beside what others do it with'
	@echo 'make check-all      all of these four, on every machine in every way, with all random jobs: for a night'
	@echo 'make shell          a guest with the modules loaded; poweroff, halt, reboot, exit or Ctrl-A x leaves it'
	@echo 'make modules        build/modules/*.ko for Debian'\''s kernel, or for the prepared tree KDIR=<folder>'
	@echo 'make dtbs           build/dtbs: the overlays, and the tree of each board with its own merged'
	@echo 'make fmt            format the Rust sources by the kernel'\''s settings'
	@echo 'make rust-analyzer  rust-project.json for an editor'
	@echo 'make clean          remove what was built, and not the toolchain'
	@echo
	@echo 'BOARD=<machine>     one of: $(notdir $(wildcard tests/boards/*)); amd-versal-virt if none is named'
	@echo 'BOARD=<machine>,... make check boots these, or all if none is named'
	@echo 'WITH=<path>         make run executes this program in the guest; make shell has the folder or program at /with'
	@echo 'T=<name>,...        make test runs these; the .sh of a name may be left out'
	@echo 'TESTS=<name>,...    make check runs only these, and no lint'
	@echo 'L=<name>,...        make lint does only these: $(shell scripts/lint/lint.sh names)'
	@echo 'BUGS=<name>,...     make self-test plants only these, of tests/bugs'
	@echo 'N=, SEED=           make mutants tries so many changes; SEED= for those of an earlier run'
	@echo 'UPDATE=1            make bench writes the numbers to README.md and tests/bench/README.md, too'
	@echo 'SKIPS=update        make check writes to tests/kselftest/skips which tests a boot has skipped'
	@echo 'V=1                 show commands'
	@echo 'FERRODMA_CONFIG=    the kernel, one of: $(notdir $(wildcard tests/kernels/*)); Debian'\''s if none is named'
	@echo 'FERRODMA_CACHE=     where the toolchain and the kernel tree are kept; by default ~/.cache/ferrodma'
	@echo 'FERRODMA_MIRROR=    the Debian mirror to fetch them from; by default that of this system'
	@echo 'FERRODMA_TIMEOUT=   seconds that a guest may take'
	@echo 'FERRODMA_TURN=      a number: which machine of each engine make check gives the most to do'
	@echo 'FERRODMA_SNAPSHOT=  a Debian snapshot to fetch what the mirror no longer holds'

# What an arm64 host lacks the tools for.
pc:
	@[ "$$(uname -m)" = x86_64 ] || { echo 'ferrodma: this is for amd64; an arm64 host has make modules and make dtbs' >&2; exit 1; }

# A variable that makes no sense is told before the first fetch or build.
.PHONY: run.settings shell.settings bench.settings lint.settings
run.settings shell.settings bench.settings lint.settings: %.settings: pc
	$(Q)scripts/harness/settings.sh $*

run: run.settings guest
	$(Q)scripts/guest/with.sh
	$(Q)FERRODMA_KERNEL=$$(scripts/kernel/kernel.sh) && export FERRODMA_KERNEL && $(enter) scripts/harness/boot run

test: pc
	$(Q)TESTS='$(T)' scripts/harness/check.sh test

host: pc
	$(Q)scripts/harness/check.sh host

check: pc
	$(Q)scripts/harness/check.sh

check-debug: pc
	$(Q)FERRODMA_CONFIG=debug scripts/harness/check.sh

check-all: pc
	$(Q)scripts/harness/tiers.sh all

self-test: pc
	$(Q)scripts/harness/settings.sh self-test
	$(Q)scripts/kernel/kernel.sh >/dev/null
	$(Q)$(enter) scripts/harness/self-test

mutants: pc
	$(Q)scripts/harness/settings.sh mutants
	$(Q)scripts/kernel/kernel.sh >/dev/null
	$(Q)$(enter) scripts/harness/mutants

bench: bench.settings guest
	$(Q)$(enter) scripts/build/bench.sh
	$(Q)FERRODMA_KERNEL=$$(scripts/kernel/kernel.sh) && export FERRODMA_KERNEL && $(enter) scripts/harness/bench

shell: shell.settings guest
	$(Q)scripts/guest/with.sh
	$(Q)FERRODMA_KERNEL=$$(scripts/kernel/kernel.sh) && export FERRODMA_KERNEL && $(enter) scripts/harness/boot shell

modules:
	$(Q)scripts/build/modules.sh

dtbs:
	$(Q)scripts/kernel/kernel.sh >/dev/null
	$(Q)$(enter) scripts/build/dtbs.sh

# What a guest boots.
guest: pc modules dtbs
	$(Q)$(enter) scripts/build/kselftests.sh
	$(Q)$(enter) scripts/build/outside.sh
	$(Q)$(enter) scripts/build/initramfs.sh

fmt: pc
	$(Q)scripts/kernel/kernel.sh >/dev/null
	$(Q)$(enter) scripts/lint/fmt.sh

lints := $(subst $(comma), ,$(L))
lint: pc lint.settings $(if $(lints),$(if $(filter lifetimes modinfo,$(lints)),modules),modules dtbs) $(if $(filter dtbs,$(lints)),dtbs)
	$(Q)scripts/kernel/kernel.sh >/dev/null
	$(Q)$(enter) scripts/lint/lint.sh $(lints)

rust-analyzer:
	$(Q)scripts/build/rust-analyzer.sh

clean:
	$(Q)rm -rf build rust-project.json
