# SPDX-License-Identifier: GPL-2.0-only
# The front door: every target is a script, which can be run alone and has
# --help. LINUX=/path uses your own kernel tree.

.PHONY: help demo check check-all soak bench lint clean
.DEFAULT_GOAL := help
# Make would otherwise hand its job server to the kernel's make.
unexport MAKEFLAGS MFLAGS MAKELEVEL

help:
	@echo 'make demo       an emulated Raspberry Pi 4 with this driver: DMA shown'
	@echo 'make check      all that must hold: style, builds, boots, kselftests'
	@echo 'make check-all  the same for every tree on every machine, every'
	@echo '                compiler and architecture'
	@echo 'make soak       what takes long: a thousand module loads, long stress'
	@echo 'make bench      what it costs, in instructions, beside its peers'
	@echo 'make lint       the checks that need no virtual machine'
	@echo 'make clean      remove out/; what was fetched and built stays in'
	@echo '                ~/.cache/dma_demo'
	@echo
	@echo 'LINUX=/path/to/linux uses your own kernel tree; it is not changed.'
	@echo 'JOBS=N runs N compilers or virtual machines at a time, as many as there'
	@echo 'are CPUs if it is not said; OUT=DIR is another place than out/.'
	@echo 'The steps are in scripts/, each with --help.'

demo:
	@scripts/demo

check:
	@scripts/check

check-all:
	@scripts/check --all

soak:
	@scripts/check --soak

bench:
	@scripts/bench

lint:
	@scripts/lint

clean:
	rm -rf out
