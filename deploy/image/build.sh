#!/bin/bash
# Builds the container image with what works here: docker, podman, or buildah. Where no registry is
# in reach, buildah starts from a base made by debootstrap.
#   build.sh NAME[:TAG]
set -eu
cd "$(dirname "$0")/../.."
name=$1
version=$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//' || true)
suite=bookworm
# Empty: debootstrap's own.
mirror=${DEBIAN_MIRROR:-}
base=localhost/debian-$suite-base

build_args=()
if [ -n "$version" ]; then
    build_args+=(--build-arg "VERSION=$version")
fi

# A client without its daemon is no engine.
works() {
    command -v "$1" >/dev/null 2>&1 && timeout 20 "$@" >/dev/null 2>&1
}

make_base() {
    if buildah inspect "$base" >/dev/null 2>&1; then
        return
    fi
    command -v debootstrap >/dev/null 2>&1 || {
        echo 'image: no base image in reach, and debootstrap is not installed' >&2
        exit 1
    }
    echo "image: making a base of $suite by debootstrap"
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} </dev/null >/dev/null
    # As Debian's slim image: without what nobody reads in a container.
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
        "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* \
        "$root"/usr/share/locale/*
    printf '%s\n' 'path-exclude /usr/share/doc/*' 'path-exclude /usr/share/man/*' \
        'path-exclude /usr/share/locale/*' >"$root/etc/dpkg/dpkg.cfg.d/slim"
    container=$(buildah from scratch)
    buildah add -q "$container" "$root" / >/dev/null
    buildah config --cmd /bin/sh --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "$container"
    buildah commit -q --rm "$container" "$base" >/dev/null
}

if works docker info; then
    docker build -t "$name" "${build_args[@]}" .
    docker image inspect --format 'image: {{.RepoTags}} {{.Size}} bytes' "$name"
elif works podman info; then
    podman build -t "$name" "${build_args[@]}" .
    podman image inspect --format 'image: {{.RepoTags}} {{.Size}} bytes' "$name"
elif works buildah version; then
    if ! timeout 60 buildah pull -q debian:12-slim >/dev/null 2>&1; then
        make_base
        build_args+=(--build-arg "BASE=$base")
    fi
    # chroot isolation needs no user namespace and no cgroup of its own.
    buildah bud --isolation chroot --format docker -t "$name" "${build_args[@]}" .
    printf 'image: %s %s\n' "$name" \
        "$(buildah images --json "$name" | sed -n 's/.*"size": "\(.*\)".*/\1/p')"
else
    echo 'image: neither docker, podman nor buildah works here' >&2
    exit 1
fi
