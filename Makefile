# SPDX-License-Identifier: GPL-2.0-or-later
# agentfw: `make` builds build/agentfwd and build/agentctl; `make help` lists the rest.
CC       ?= cc
# Programs with sanitizers have a directory of their own.
comma    := ,
BUILD    ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
PREFIX   ?= /usr/local
CFLAGS   ?= -O2 -g
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
            -Wswitch-enum -Wvla -Wno-unused-parameter -Wno-missing-field-initializers
HARDEN    = -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
ifeq ($(SANITIZE),)
HARDEN   += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else
HARDEN   += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -DAGENTFW_SANITIZE
endif
PKGS      = libnetfilter_queue libnfnetlink libmnl libnftnl yaml-0.1 libpcap libseccomp libcap-ng \
            libcrypto jansson libbpf
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
# agentctl is started anew for every call of a tool: the few libraries that it needs are linked in,
# where they can be had so. As shared ones they are a quarter of a millisecond of each start.
CTL_DIRECT := yaml jansson cap-ng
CTL_LIBS   := $(if $(SANITIZE)$(filter-out /%,$(foreach l,$(CTL_DIRECT),$(shell $(CC) -print-file-name=lib$(l).a))),\
                $(PKG_LIBS),-Wl,-Bstatic $(addprefix -l,$(CTL_DIRECT)) -Wl,-Bdynamic)
# The same bytes, wherever the tree lies (tools/reproducible).
HERE      = -ffile-prefix-map='$(CURDIR)=.'
# SHSTK is said here: the C library's start files, which have no property of their own on some systems, would take it
# away from the whole program (tools/hardening).
SHSTK     := $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),$(comma)-z$(comma)shstk)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -I. $(WARN) $(WERROR) $(HARDEN) $(HERE) $(CFLAGS) $(PKG_CFLAGS) $(EXTRA_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack$(SHSTK) $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

Q = $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-4s %s\n' '$(1)' '$@')

POLICY_SRC := $(filter-out policy/child/filter_gen.c,$(sort $(wildcard policy/*.c policy/*/*.c)))
WIRE_SRC   := $(sort $(wildcard fw/wire/*.c))
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)

ALL_C      := $(wildcard policy/*.[ch] policy/*/*.[ch] fw/*.[ch] fw/*/*.[ch] fw/*/*/*.[ch] agentctl/*.[ch] \
                          agentctl/*/*.[ch] tests/unit/*.[ch] tests/unit/lab/*.h tests/fuzz/*.[ch] tests/bench/*.[ch] \
                          tests/lab/*.[ch] tests/lab/escape/*.[ch] tests/lab/hostile/*.[ch])

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
POLICY_LIB := $(BUILD)/libpolicy.a
WIRE_LIB   := $(BUILD)/libwire.a
# One library a folder: the linker shows who needs whom (tools/includes looks).
FW_FOLDERS := parent engine gate asker nft record bpf ipc
FW_LIB     := $(patsubst %,$(BUILD)/libfw-%.a,$(FW_FOLDERS))
CTL_FOLDERS := learn check seen box guard launch confine daemon
CTL_LIB    := $(BUILD)/libctl-commands.a $(patsubst %,$(BUILD)/libctl-%.a,$(CTL_FOLDERS))
UNIT_BIN   := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
ESCAPE     := $(addprefix $(BUILD)/tests/lab/escape_,player far outsiders)
RACE       := $(BUILD)/tests/lab/race_own
FUZZ_REPLAY := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/replay/%,$(FUZZ_SRC))

.PHONY: all clean help demo check deps-build deps-check unit fuzz-replay fuzz bench format \
        check-format check-includes check-man check-hardening check-reproducible check-net check-sandbox check-vm escape holes hostile hostile-programs install uninstall
all: $(BUILD)/agentfwd $(BUILD)/agentctl $(BUILD)/arrows
# No build whose folders reach where they must not.
$(BUILD)/arrows: $(BUILD)/agentfwd $(BUILD)/agentctl tools/includes
	$(Q)tools/includes $(BUILD) && touch $@

help:
	@echo 'make               build $(BUILD)/agentfwd and $(BUILD)/agentctl'
	@echo 'make demo          install what is missing, build, show the fence at work (root)'
	@echo 'make check         install what is missing, build with gcc and clang, pass every test (root)'
	@echo 'make unit          unit tests; SANITIZE=address,undefined builds them with sanitizers'
	@echo 'make fuzz TARGET=dns RUNS=N    fuzz one parser (clang)'
	@echo 'make escape        the escape fuzzer; then: sudo tests/net/escape --help'
	@echo 'make hostile       the fuzzers of who speaks to the daemon; then: sudo tests/net/hostile --help'
	@echo 'make bench         speed, as ratios of one run (root)'
	@echo 'make install       to $(PREFIX), DESTDIR before it; make uninstall; make clean; V=1 shows the commands'

# Other flags than the last time: everything is built anew.
FLAGS := $(filter-out -Werror,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))
$(BUILD)/flags: always
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS))' >$@
.PHONY: always

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The system call filters of agentctl, and of the child that compiles policies, are made by programs that are built and
# run first.
GEN        := $(BUILD)/gen
$(BUILD)/obj/policy/child/drop.o: EXTRA_CFLAGS += -I$(GEN)
$(BUILD)/obj/policy/child/drop.o: $(GEN)/child_filter.h
$(GEN)/child_filter.h: $(GEN)/child_filter_gen
	$(call say,GEN)
	$(Q)$< > $@.tmp && mv $@.tmp $@
$(GEN)/child_filter_gen: $(BUILD)/obj/policy/child/filter_gen.o
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lseccomp
$(BUILD)/obj/agentctl/confine/seccomp.o: EXTRA_CFLAGS += -I$(GEN)
$(BUILD)/obj/agentctl/confine/seccomp.o: $(GEN)/seccomp_filters.h
$(GEN)/seccomp_filters.h: $(GEN)/seccomp_gen
	$(call say,GEN)
	$(Q)$< > $@.tmp && mv $@.tmp $@
$(GEN)/seccomp_gen: $(BUILD)/obj/agentctl/confine/seccomp_gen.o
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lseccomp

# Programs of BPF, the socket wall's and another: compiled for the kernel, and from there a header that holds them.
BPF_CC     ?= clang
BPFTOOL    ?= $(firstword $(wildcard /usr/lib/linux-tools/*/bpftool) bpftool)
BPF_CFLAGS  = -target bpf -O2 -g $(HERE) -fdebug-compilation-dir=. -Wall -Wextra -Wno-unused-parameter -I. -idirafter /usr/include/$(shell $(CC) -print-multiarch)
$(BUILD)/obj/fw/bpf/wall.o: EXTRA_CFLAGS += -isystem $(GEN)
$(BUILD)/obj/fw/bpf/wall.o: $(GEN)/wall.skel.h
.SECONDARY: $(BUILD)/obj/fw/bpf/wall.bpf.o $(BUILD)/obj/fw/bpf/flight.bpf.o
$(BUILD)/obj/fw/bpf/flight.o: EXTRA_CFLAGS += -isystem $(GEN)
$(BUILD)/obj/fw/bpf/flight.o: $(GEN)/flight.skel.h
$(GEN)/%.skel.h: $(BUILD)/obj/fw/bpf/%.bpf.o
	$(call say,GEN)
	@mkdir -p $(@D)
	$(Q)PATH=$$PATH:/usr/sbin $(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@
# linked alone: that leaves out what only a debugger reads
$(BUILD)/obj/fw/bpf/%.bpf.o: fw/bpf/%.bpf.c
	$(call say,BPF)
	@mkdir -p $(@D)
	$(Q)$(BPF_CC) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.tmp $<
	$(Q)PATH=$$PATH:/usr/sbin $(BPFTOOL) gen object $@ $@.tmp && rm $@.tmp

$(POLICY_LIB): $(call obj,$(POLICY_SRC))
$(WIRE_LIB): $(call obj,$(WIRE_SRC))
$(foreach f,$(FW_FOLDERS),$(eval $(BUILD)/libfw-$f.a: $(call obj,$(filter-out %.bpf.c,$(sort $(wildcard fw/$f/*.c fw/$f/*/*.c))))))
$(BUILD)/libctl-commands.a: $(call obj,$(filter-out agentctl/agentctl.c,$(sort $(wildcard agentctl/*.c))))
$(foreach f,$(CTL_FOLDERS),$(eval $(BUILD)/libctl-$f.a: $(call obj,$(filter-out %/seccomp_gen.c,$(sort $(wildcard agentctl/$f/*.c))))))
$(BUILD)/lib%.a:
	$(call say,AR)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(BUILD)/agentfwd: $(BUILD)/obj/fw/agentfwd.o $(BUILD)/obj/fw/probe.o $(FW_LIB) $(WIRE_LIB) $(POLICY_LIB)
$(BUILD)/agentctl: $(BUILD)/obj/agentctl/agentctl.o $(CTL_LIB) $(BUILD)/libfw-record.a $(POLICY_LIB)
$(BUILD)/agentfwd: LIBS = $(PKG_LIBS)
$(BUILD)/agentctl: LIBS = $(CTL_LIBS)
$(BUILD)/agentfwd $(BUILD)/agentctl:
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Unit tests: cmocka, one program a module, linked with the libraries whole.
$(BUILD)/tests/unit/test_%: $(BUILD)/obj/tests/unit/test_%.o $(CTL_LIB) $(FW_LIB) $(WIRE_LIB) $(POLICY_LIB)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka

unit: $(UNIT_BIN)
	$(Q)for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done

# Fuzz targets: replayed over their corpora with any compiler, fuzzed with clang's libFuzzer.
$(BUILD)/tests/replay/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(CTL_LIB) $(FW_LIB) $(WIRE_LIB) \
                                $(POLICY_LIB)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

fuzz-replay: $(FUZZ_REPLAY)
	$(Q)for t in $(FUZZ_REPLAY); do $$t tests/fuzz/corpus/$${t##*/fuzz_} || exit 1; done

# make fuzz TARGET=dns RUNS=10000000 MAX_LEN=20000
RUNS    ?= 10000000
MAX_LEN ?= 20000
fuzz: $(GEN)/child_filter.h
	$(Q)mkdir -p $(BUILD)/fuzz/corpus-$(TARGET)
	$(Q)clang -std=gnu17 -D_GNU_SOURCE -I. -O1 -g -fsanitize=fuzzer,address,undefined \
	   -fno-sanitize-recover=all -I$(GEN) $(PKG_CFLAGS) -o $(BUILD)/fuzz/fuzz_$(TARGET) \
	   tests/fuzz/fuzz_$(TARGET).c $(WIRE_SRC) agentctl/seen/audit_record.c $(POLICY_SRC) $(PKG_LIBS)
	$(Q)$(BUILD)/fuzz/fuzz_$(TARGET) -runs=$(RUNS) -max_len=$(MAX_LEN) -print_final_stats=1 \
	   $(BUILD)/fuzz/corpus-$(TARGET) tests/fuzz/corpus/$(TARGET)

# Each step of these two is a make of its own: packages that were just installed
# change what pkg-config says.
deps-build:
	$(Q)tools/deps build
deps-check:
	$(Q)tools/deps check

demo: deps-build
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)BUILD=$(BUILD) demo/run

check: deps-check
	$(Q)$(MAKE) --no-print-directory check-includes check-format check-man
	$(Q)$(MAKE) --no-print-directory -j2 WERROR=-Werror all $(BUILD)/tests/bench/load
	$(Q)$(MAKE) --no-print-directory check-hardening check-reproducible
	$(Q)$(MAKE) --no-print-directory -j2 WERROR=-Werror CC=clang BUILD=$(BUILD)-clang all
	$(Q)$(MAKE) --no-print-directory -j2 SANITIZE=address,undefined BUILD=$(BUILD)-asan unit fuzz-replay
	$(Q)$(MAKE) --no-print-directory check-vm
	$(Q)$(MAKE) --no-print-directory check-sandbox
	$(Q)$(MAKE) --no-print-directory check-net

check-format:
	$(Q)clang-format --dry-run -Werror $(ALL_C)
check-includes:
	$(Q)tools/includes $(BUILD)
check-man:
	$(Q)mandoc -T lint -W warning docs/*.[158]
check-hardening: all
	$(Q)CC='$(CC)' tools/hardening --self
	$(Q)CC='$(CC)' tools/hardening $(BUILD)
check-reproducible:
	$(Q)tools/reproducible CC='$(CC)'
check-sandbox: all
	$(Q)BUILD=$(BUILD) tools/reachable tests/sandbox/run
check-net: all $(BUILD)/tests/bench/load $(ESCAPE) $(RACE) holes hostile
	$(Q)BUILD=$(BUILD) tools/reachable tests/net/run
check-vm: all
	$(Q)BUILD=$(BUILD) tests/vm/run
format:
	clang-format -i $(ALL_C)

$(BUILD)/tests/bench/load: $(BUILD)/obj/tests/bench/load.o
$(BUILD)/tests/bench/names: $(BUILD)/obj/tests/bench/names.o $(POLICY_LIB)
$(BUILD)/tests/bench/floor: $(BUILD)/obj/tests/bench/floor.o $(FW_LIB) $(POLICY_LIB)
$(BUILD)/tests/bench/load $(BUILD)/tests/bench/names $(BUILD)/tests/bench/floor:
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The escape fuzzer's three programs: who plays, and who looks what arrives.
ESCAPE_PROGRAM := program.c text.c tables.c
$(BUILD)/tests/lab/escape_player: $(call obj,$(addprefix tests/lab/escape/,player.c steps.c others.c values.c payload.c $(ESCAPE_PROGRAM)))
$(BUILD)/tests/lab/escape_far: $(call obj,$(addprefix tests/lab/escape/,far.c judge.c $(ESCAPE_PROGRAM)))
$(BUILD)/tests/lab/escape_outsiders: $(call obj,$(addprefix tests/lab/escape/,outsiders.c judge.c $(ESCAPE_PROGRAM)))
$(ESCAPE):
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -pthread
escape: all $(ESCAPE)
# Threads that race with the rules; see tests/net/test_found.py.
$(RACE): $(call obj,tests/lab/race_own.c)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -pthread
# A daemon that has a hole where AGENTFW_HOLE names one: does the fuzzer see it?
# Or an engine that somebody has taken over: tests/net/test_hostile.py.
holes:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)-holes CFLAGS='$(CFLAGS) -DAGENTFW_HOLES' all $(BUILD)-holes/tests/lab/hostile_engine
# The daemon with an engine that says random things, and clients that do: tests/net/hostile. With sanitizers and holes.
HOSTILE    := $(BUILD)/tests/lab/hostile_daemon $(BUILD)/tests/lab/hostile_client
hostile:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)-hostile SANITIZE=address,undefined CFLAGS='-O1 -g -DAGENTFW_HOLES' hostile-programs
hostile-programs: $(HOSTILE)
$(BUILD)/tests/lab/hostile_daemon: $(call obj,fw/agentfwd.c fw/probe.c $(wildcard tests/lab/hostile/[de]*.c)) $(FW_LIB) $(WIRE_LIB) $(POLICY_LIB)
$(BUILD)/tests/lab/hostile_daemon: WRAP = -Wl,--wrap=main,--wrap=engine_begin
$(BUILD)/tests/lab/hostile_client: $(call obj,$(wildcard tests/lab/hostile/c*.c)) $(POLICY_LIB)
$(HOSTILE):
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(PKG_LIBS)
$(BUILD)/tests/lab/hostile_engine: $(BUILD)/obj/tests/lab/hostile_engine.o $(FW_LIB) $(POLICY_LIB)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

bench: all $(BUILD)/tests/bench/load $(BUILD)/tests/bench/names $(BUILD)/tests/bench/floor
	$(Q)BUILD=$(BUILD) tests/bench/run

install: all
	install -D -m 755 $(BUILD)/agentctl $(DESTDIR)$(PREFIX)/bin/agentctl
	install -D -m 755 $(BUILD)/agentfwd $(DESTDIR)$(PREFIX)/sbin/agentfwd
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/agentctl.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 docs/agentfw-policy.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 docs/agentfwd.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/agentfw/examples docs/examples/*.yaml

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/agentctl $(DESTDIR)$(PREFIX)/sbin/agentfwd \
	   $(DESTDIR)$(PREFIX)/share/man/man1/agentctl.1 $(DESTDIR)$(PREFIX)/share/man/man5/agentfw-policy.5 \
	   $(DESTDIR)$(PREFIX)/share/man/man8/agentfwd.8
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/agentfw

# With the directories of other compilers, sanitizers and holes.
clean:
	rm -rf $(BUILD) $(BUILD)-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
