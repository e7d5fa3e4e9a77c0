#!/bin/bash
# The daemon has one TLS library. OpenSSL beside BoringSSL shares symbol names with it: a call may
# then land in the wrong one.
#   check_libraries.sh BINARY
set -eu
binary=$1
libraries=$(ldd "$binary")

if forbidden=$(grep -E 'libssl\.so\.[1-9]|libcrypto\.so\.[1-9]|libevent_openssl' <<<"$libraries"); then
    printf '%s links a TLS library besides BoringSSL:\n%s\n' "$binary" "$forbidden" >&2
    exit 1
fi
if missing=$(grep 'not found' <<<"$libraries"); then
    printf '%s does not find its libraries:\n%s\n' "$binary" "$missing" >&2
    exit 1
fi
# Debian's build of BoringSSL is a shared library in a directory of its own.
if grep -qE 'libssl\.so' <<<"$libraries" && ! grep -qE '/android/libssl\.so\.0' <<<"$libraries"; then
    printf '%s: libssl.so is not that of BoringSSL\n' "$binary" >&2
    exit 1
fi
