# gatehouse: one Makefile, no recursion but for variants and for what must follow an installation.
# Objects stand under build/<variant>/; `make help` lists the targets.

VARIANT ?= release
LAYERS := base observe net tls http route config upstream proxy admin daemon
VARIANTS := release debug asan tsan fuzz cov

BUILD := build/$(VARIANT)
BINARY := $(BUILD)/gatehouse
VERSION_BASE := 0.1.0
# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = @echo '  $1 $2'

PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
docdir ?= $(PREFIX)/share/doc/gatehouse
unitdir ?= $(PREFIX)/lib/systemd/system
# The tests use Debian's own Python: its packages are what `make deps` installs.
PYTHON ?= /usr/bin/python3
E2E_JOBS ?= 2
E2E_ARGS ?=
H2SPEC ?= github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
IMAGE ?= gatehouse
TARGET ?= h1_parse
SECONDS ?= 60

# --- Packages (Debian 12) -----------------------------------------------------------------------
PACKAGES_BUILD := gcc libc6-dev libevent-dev libyaml-dev libpcre2-dev libnghttp2-dev \
    android-libboringssl-dev
PACKAGES_RUN := python3 python3-cryptography curl openssl
PACKAGES_TEST := libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-cryptography \
    python3-h2 python3-websockets python3-grpcio nghttp2-client curl openssl
PACKAGES_PERF := python3-cryptography nginx-light libnginx-mod-stream haproxy h2o nghttp2-proxy hitch \
    nghttp2-client
PACKAGES_LINT := clang-format clang-tidy cppcheck
PACKAGES_COUNTS := python3 python3-cryptography python3-websockets nghttp2-client strace valgrind
PACKAGES_FUZZ := clang libclang-rt-14-dev
ifdef BORINGSSL
PACKAGES_BUILD := $(filter-out android-libboringssl-dev,$(PACKAGES_BUILD)) g++
endif

# --- Compiler -----------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
    -Wcast-qual -Wwrite-strings -Wpointer-arith -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough

CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fno-plt
CFLAGS_debug := -O0 -g3
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
    -fsanitize=address,undefined,fuzzer-no-link
CFLAGS_cov := -O0 -g --coverage
# Else the linker, seeing such objects, would optimise each test as a whole too.
LDFLAGS_release := -fno-lto
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_fuzz := -fsanitize=address,undefined
LDFLAGS_cov := --coverage

# The release binary is optimised as a whole: the layers are small files that call each other, and a
# request costs a twentieth less. The objects hold machine code too: tests and tools link that, at
# once (GCC would optimise them as a whole as well unless told not to). Only GCC has such objects.
ifeq ($(VARIANT)$(findstring clang,$(shell $(CC) --version)),release)
LTO_CFLAGS := -flto -ffat-lto-objects
LTO_LDFLAGS := -flto=auto
LTO_NOT := -fno-lto
endif

# BoringSSL: Debian's build keeps apart from OpenSSL in a directory of its own, so the libraries are
# named by path: `-lssl` would find OpenSSL's wherever libssl-dev is installed.
ifdef BORINGSSL
BORINGSSL_INCLUDE := $(BORINGSSL)/include
BORINGSSL_LIBS := $(firstword $(wildcard $(BORINGSSL)/build/libssl.a $(BORINGSSL)/build/ssl/libssl.a) \
    $(BORINGSSL)/build/libssl.a) \
    $(firstword $(wildcard $(BORINGSSL)/build/libcrypto.a $(BORINGSSL)/build/crypto/libcrypto.a) \
    $(BORINGSSL)/build/libcrypto.a) -lstdc++
else
BORINGSSL_INCLUDE := /usr/include/android
BORINGSSL_LIBDIR = $(patsubst %/libssl.so,%,$(firstword $(wildcard /usr/lib/*/android/libssl.so)))
BORINGSSL_LIBS = $(BORINGSSL_LIBDIR)/libssl.so $(BORINGSSL_LIBDIR)/libcrypto.so \
    -Wl,-rpath,$(BORINGSSL_LIBDIR)
endif

CPPFLAGS_ALL = -D_GNU_SOURCE -iquote . -iquote $(BUILD) -isystem $(BORINGSSL_INCLUDE) $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(WARNINGS) -fno-common -fstack-protector-strong -fPIE \
    $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS = $(BORINGSSL_LIBS) -levent_core -levent_extra -levent_pthreads -lyaml -lpcre2-8 -lnghttp2 -lpthread -lm

# --- Sources ------------------------------------------------------------------------------------
layer_folder = $(if $(filter tls config,$1),$1,gateway/$1)
layer_sources = $(sort $(wildcard $(call layer_folder,$1)/*.c))
objects_of = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
archive_of = $(BUILD)/lib/$1.a
reverse = $(if $1,$(call reverse,$(wordlist 2,99,$1)) $(firstword $1))
# A layer and those left of it, in the order the linker wants: users before what they use.
upto = $(if $(filter-out $2,$(firstword $1)),$(firstword $1) $(call upto,$(wordlist 2,99,$1),$2),$2)
link_layers = $(foreach l,$(call reverse,$(call upto,$(LAYERS),$1)),$(call archive_of,$l))
ALL_ARCHIVES := $(foreach l,$(call reverse,$(LAYERS)),$(call archive_of,$l))

SOURCES := $(foreach l,$(LAYERS),$(call layer_sources,$l)) $(wildcard gateway/main.c)
HEADERS := $(sort $(wildcard gateway/*/*.h tls/*.h config/*.h))
SUPPORT_SOURCES := $(sort $(wildcard tests/unit/support/*.c))
SUPPORT := $(BUILD)/lib/test_support.a
unit_sources = $(sort $(wildcard tests/unit/$1/test_*.c))
unit_programs = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(call unit_sources,$1))
UNIT_PROGRAMS := $(foreach l,$(LAYERS) perf,$(call unit_programs,$l))
UNIT_SOURCES := $(foreach l,$(LAYERS) perf,$(call unit_sources,$l))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SOURCES))
PERF_MAINS := $(patsubst %,perf/tools/%.c,client origin null_proxy)
PERF_SOURCES := $(sort $(wildcard perf/tools/*.c))
PERF_SHARED := $(filter-out $(PERF_MAINS),$(PERF_SOURCES))
PERF_TOOLS := $(patsubst perf/tools/%.c,$(BUILD)/perf/%,$(PERF_MAINS))
REPLAYS := $(patsubst %,$(BUILD)/fuzz/replay_%,$(FUZZ_NAMES))
C_FILES := $(SOURCES) $(HEADERS) $(UNIT_SOURCES) $(SUPPORT_SOURCES) \
    $(wildcard tests/unit/support/*.h tests/fuzz/*.c tests/fuzz/*.h perf/tools/*.c perf/tools/*.h)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

# --- Programs -----------------------------------------------------------------------------------
.PHONY: all debug
## all: the release binary, build/release/gatehouse
all: $(BINARY)

## debug: the same without optimisation, build/debug/gatehouse
debug:
	$(MAKE) VARIANT=debug all

$(BINARY): $(BUILD)/obj/gateway/main.o $(ALL_ARCHIVES) $(BUILD)/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LTO_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS)

define layer_rules
$(call archive_of,$1): $(call objects_of,$(call layer_sources,$1)) $(BUILD)/sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)$$(AR) rcs $$@ $$(filter %.o,$$^)
.PHONY: unit-$1
unit-$1: $(call unit_programs,$1)
	@tests/unit/run.sh "unit $1" $$^
$(call unit_programs,$1): $(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(SUPPORT) \
    $(call link_layers,$1) $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(LTO_NOT) $$(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) $(SUPPORT) \
	    $(call link_layers,$1) -lcmocka $$(LIBS)
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$l)))

$(SUPPORT): $(call objects_of,$(SUPPORT_SOURCES)) $(BUILD)/sources
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/features.h $(BUILD)/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LTO_CFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(SOURCES) $(SUPPORT_SOURCES) $(UNIT_SOURCES) \
    $(FUZZ_SOURCES) $(PERF_SOURCES) tests/fuzz/replay.c)

# --- Generated ----------------------------------------------------------------------------------
# Files that change only when what they say changes, so nothing is built twice for nothing.
.PHONY: FORCE
FORCE:

replace_if_changed = if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi

$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LTO_CFLAGS) $(LDFLAGS_ALL) $(BORINGSSL_LIBS)' > $@.new
	@$(replace_if_changed)

# A file that is deleted must leave its archive too.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(sort $(SOURCES) $(SUPPORT_SOURCES) $(PERF_SOURCES))' > $@.new
	@$(replace_if_changed)

$(BUILD)/version.h: FORCE
	@mkdir -p $(@D)
	@tag=$$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null | sed 's/^v//'); \
	commit=$$(git rev-parse --short=12 HEAD 2>/dev/null || true); \
	{ echo '/* version: made by the Makefile. */'; \
	  echo "#define GATEHOUSE_VERSION \"$${tag:-$(VERSION_BASE)}\""; \
	  echo "#define GATEHOUSE_COMMIT \"$${commit:-unknown}\""; } > $@.new
	@$(replace_if_changed)

# What the linked BoringSSL has beyond Debian's: define and a name from <openssl/ssl.h>.
PROBES := HAVE_SSL_CREDENTIAL=SSL_CREDENTIAL_new_x509 \
    HAVE_SSL_ECH=SSL_CTX_set1_ech_keys \
    HAVE_X25519MLKEM768=SSL_GROUP_X25519_MLKEM768 \
    HAVE_SSL_GROUP_IDS=SSL_CTX_set1_group_ids \
    HAVE_SSL_GROUP_NAME=SSL_get_group_name \
    HAVE_SSL_COMPLIANCE_POLICY=SSL_CTX_set_compliance_policy \
    HAVE_SSL_ALPS=SSL_add_application_settings

$(BUILD)/features.h: $(BUILD)/flags $(wildcard $(BORINGSSL_INCLUDE)/openssl/ssl.h)
	@mkdir -p $(@D)
	@{ echo '/* features: probed by the Makefile. */'; \
	for probe in $(PROBES); do \
	    found=0; \
	    printf '#include <openssl/ssl.h>\nvoid probe(void);\nvoid probe(void) { (void)(%s); }\n' \
	        "$${probe#*=}" | $(CC) -std=c11 -isystem $(BORINGSSL_INCLUDE) -fsyntax-only -x c - \
	        2>/dev/null && found=1; \
	    echo "#define $${probe%%=*} $$found"; \
	done; } > $@.new
	@$(replace_if_changed)
	@touch $@

# --- Tests --------------------------------------------------------------------------------------
.PHONY: run test unit replay e2e h2spec check asan tsan fuzz cov perf perf-counts spec perf-tools
## run: install what is missing, build, start the demo
run:
	@$(MAKE) --no-print-directory deps PACKAGES='$(PACKAGES_BUILD) $(PACKAGES_RUN)'
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@exec deploy/demo/run.sh

## test: install what is missing; unit tests, fuzz corpora, end to end
test:
	@$(MAKE) --no-print-directory deps
	@$(call run_parts,$(VARIANT))

# One part that fails does not hide what the others would say.
run_parts = failed=; for part in unit replay e2e; do \
    $(MAKE) --no-print-directory $(PARALLEL) VARIANT=$1 $$part || failed="$$failed $$part"; \
    done; [ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

## unit: all unit tests; unit-<layer> for one layer
unit: $(UNIT_PROGRAMS)
	@tests/unit/run.sh unit $^

## replay: every fuzz corpus once through its target
replay: $(REPLAYS)
	@set -e; for name in $(FUZZ_NAMES); do \
	    $(BUILD)/fuzz/replay_$$name tests/fuzz/corpus/$$name; done

## e2e: the real binary on loopback (E2E_ARGS="-k name" for some)
e2e: $(BINARY) $(PERF_TOOLS)
	GATEHOUSE_BIN=$(abspath $(BINARY)) PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON) -m pytest -q -p no:cacheprovider -n $(E2E_JOBS) $(E2E_ARGS) tests/e2e

## h2spec: the HTTP/2 conformance tests of that name, where it is there or Go can fetch it
h2spec: $(BINARY)
	@command -v h2spec >/dev/null || [ -x build/tools/h2spec ] || { \
	    command -v go >/dev/null && \
	    echo 'h2spec: fetching $(H2SPEC) with Go' && mkdir -p build/tools && \
	    GOBIN=$(abspath build/tools) go install $(H2SPEC); } || \
	    { echo 'h2spec: skipped: it is not there, and Go is not, or reaches no modules'; exit 0; }
	@if command -v h2spec >/dev/null || [ -x build/tools/h2spec ]; then \
	    GATEHOUSE_BIN=$(abspath $(BINARY)) PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON) -m pytest -q -p no:cacheprovider -s tests/e2e/test_h2spec.py; fi

export ASAN_OPTIONS := detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS := print_stacktrace=1
export TSAN_OPTIONS := halt_on_error=1:second_deadlock_stack=1

## check: lint and test
check: lint
	@$(MAKE) --no-print-directory test

## asan tsan: unit tests, corpora and end to end with ASan and UBSan; with TSan
asan tsan:
	@$(call run_parts,$@)

$(BUILD)/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o \
    $(ALL_ARCHIVES) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LTO_NOT) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) $(LIBS)

$(BUILD)/fuzz/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(ALL_ARCHIVES) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LTO_NOT) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) $(LIBS)

## fuzz: one fuzzer for a while (TARGET=h1_parse SECONDS=60)
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz build/fuzz/fuzz/fuzz_$(TARGET)
	@mkdir -p build/fuzz/found/$(TARGET) tests/fuzz/corpus/$(TARGET)
	build/fuzz/fuzz/fuzz_$(TARGET) -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/found/$(TARGET)- \
	    build/fuzz/found/$(TARGET) tests/fuzz/corpus/$(TARGET)

## cov: unit and end to end with coverage; lines not reached stand in build/cov/report
cov:
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(call run_parts,cov)
	@$(PYTHON) tests/lint/coverage_report.py build/cov

## perf: gatehouse beside its peers (SCENARIO='h1-tls idle' PEER='nginx gatehouse' ROUNDS=3 SECONDS=1.5)
perf: $(BINARY) perf-tools
	@cd perf && GATEHOUSE_BIN=$(abspath $(BINARY)) PERF_TOOLS=$(abspath $(BUILD)/perf) \
	    PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m bench $(if $(SCENARIO),--scenario $(SCENARIO)) \
	    $(if $(PEER),--peer $(PEER)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	    $(if $(findstring command,$(origin SECONDS)),--seconds $(SECONDS)) \
	    $(if $(AGAINST),--against $(abspath $(AGAINST))) $(PERF_ARGS)

## perf-counts: system calls, allocations and instructions against perf/counts.txt
perf-counts: $(BINARY)
	@$(MAKE) --no-print-directory deps PACKAGES='$(PACKAGES_COUNTS)' || \
	    echo 'perf-counts: not everything is there: what is missing is skipped by name'
	@GATEHOUSE_BIN=$(abspath $(BINARY)) PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON) perf/counts.py $(if $(COUNTS_ARGS),$(COUNTS_ARGS),--check)

## perf-tools: load generator, origin and null proxy, build/release/perf/
perf-tools: $(PERF_TOOLS)

$(PERF_TOOLS): $(BUILD)/perf/%: $(BUILD)/obj/perf/tools/%.o $(BUILD)/lib/perf_tools.a \
    $(call archive_of,base) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LTO_NOT) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) $(BORINGSSL_LIBS) -lpthread -lm

.PHONY: unit-perf
unit-perf: $(call unit_programs,perf)
	@tests/unit/run.sh "unit perf" $^
$(call unit_programs,perf): $(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o \
    $(BUILD)/lib/perf_tools.a $(call archive_of,base) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LTO_NOT) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) -lcmocka

$(BUILD)/lib/perf_tools.a: $(call objects_of,$(PERF_SHARED)) $(BUILD)/sources
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

## spec: which rules of docs/istio-semantics.md a test names, and which not
spec:
	@$(PYTHON) tests/lint/spec_coverage.py

# --- Lint ---------------------------------------------------------------------------------------
.PHONY: lint lint-format lint-layers lint-headers lint-cppcheck lint-tidy lint-libraries format
## lint: format, layers, headers, libraries, cppcheck, clang-tidy
lint: lint-format lint-layers lint-headers lint-libraries lint-cppcheck lint-tidy
	@echo 'lint: clean'

lint-format:
	@clang-format --dry-run --Werror $(C_FILES)

lint-layers:
	@$(PYTHON) tests/lint/check_layers.py
	@$(PYTHON) tests/lint/check_where.py

# Every header compiles by itself.
lint-headers: $(BUILD)/features.h $(BUILD)/version.h
	@set -e; for header in $(HEADERS) $(wildcard perf/tools/*.h); do \
	    $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fsyntax-only -Wno-unused-function -x c $$header; done

lint-libraries: $(BINARY)
	@tests/lint/check_libraries.sh $(BINARY)

lint-cppcheck: $(BUILD)/features.h $(BUILD)/version.h
	@cppcheck -q --std=c11 --enable=warning,portability,performance --inline-suppr \
	    --suppressions-list=tests/lint/cppcheck.txt --error-exitcode=1 -j 2 \
	    --cppcheck-build-dir=$(shell mkdir -p $(BUILD)/cppcheck && echo $(BUILD)/cppcheck) \
	    -D_GNU_SOURCE -D__x86_64__ -I. -I$(BUILD) $(SOURCES) $(PERF_SOURCES)

lint-tidy: $(BUILD)/features.h $(BUILD)/version.h
	@$(PYTHON) tests/lint/run_tidy.py --build $(BUILD) $(SOURCES) $(PERF_SOURCES) -- \
	    -std=c11 $(CPPFLAGS_ALL)

## format: rewrite the C files by .clang-format
format:
	clang-format -i $(C_FILES)

# --- Packages, image, installation ----------------------------------------------------------------
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: deps deps-build deps-lint deps-perf deps-fuzz image install uninstall clean help
PACKAGES := $(PACKAGES_BUILD) $(PACKAGES_TEST)

## deps: install missing Debian packages (deps-lint, deps-perf, deps-fuzz for those targets)
deps:
	@command -v dpkg-query >/dev/null 2>&1 || { \
	    echo 'deps: not a Debian system; needed are: $(sort $(PACKAGES))'; exit 0; }; \
	missing=; \
	for package in $(sort $(PACKAGES)); do \
	    dpkg-query -W -f='$${db:Status-Status}\n' "$$package" 2>/dev/null | grep -qx installed || \
	        missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	echo "deps: installing from Debian packages:$$missing"; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
	    $$missing </dev/null

deps-build:
	@$(MAKE) --no-print-directory deps PACKAGES='$(PACKAGES_BUILD)'

deps-lint:
	@$(MAKE) --no-print-directory deps PACKAGES='$(PACKAGES_BUILD) $(PACKAGES_LINT) python3'

deps-perf:
	@$(MAKE) --no-print-directory deps PACKAGES='$(PACKAGES_BUILD) $(PACKAGES_PERF)'

deps-fuzz:
	@$(MAKE) --no-print-directory deps PACKAGES='$(PACKAGES_BUILD) $(PACKAGES_FUZZ)'

## image: a container image, by docker, podman or buildah, whichever works
image:
	@deploy/image/build.sh '$(IMAGE)'

## install uninstall: binary, documents, unit file (PREFIX=/usr/local, DESTDIR=)
install: $(BINARY)
	install -D -m 0755 $(BINARY) $(DESTDIR)$(bindir)/gatehouse
	install -d $(DESTDIR)$(docdir)/examples
	for file in $(wildcard README.md docs/*.md); do \
	    install -m 0644 $$file $(DESTDIR)$(docdir)/; done
	for file in $(wildcard config/examples/*.yaml); do \
	    install -m 0644 $$file $(DESTDIR)$(docdir)/examples/; done
	for file in $(wildcard deploy/*.service deploy/systemd/*.service); do \
	    install -D -m 0644 $$file $(DESTDIR)$(unitdir)/$${file##*/}; done

uninstall:
	rm -f $(DESTDIR)$(bindir)/gatehouse $(DESTDIR)$(unitdir)/gatehouse.service
	rm -rf $(DESTDIR)$(docdir)

## clean: remove build/
clean:
	rm -rf build

## help: this list
help:
	@echo 'Targets (VARIANT=$(VARIANT); variants: $(VARIANTS)):'
	@sed -n 's/^## \([^:]*\): \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
