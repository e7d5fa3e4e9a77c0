# gatehouse in two stages: one builds, the other holds the binary and the libraries it needs.
# Runs as a plain user with a read-only root and no capability; ports are 1024 and up.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /src
RUN apt-get update -q && apt-get install -q -y --no-install-recommends make
# The packages change less often than the sources.
COPY Makefile ./
RUN make deps-build
COPY gateway gateway
COPY tls tls
COPY config config
ARG VERSION=
RUN make all ${VERSION:+VERSION_BASE=${VERSION}} && strip build/release/gatehouse

FROM ${BASE}
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends android-libboringssl libevent-core-2.1-7 \
        libevent-extra-2.1-7 libevent-pthreads-2.1-7 libnghttp2-14 libpcre2-8-0 libyaml-0-2 \
    && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=build /src/build/release/gatehouse /usr/local/bin/gatehouse
# The number of Istio's own gateway image, so its manifests fit.
USER 1337:1337
EXPOSE 8080 8443 15021 15090
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/gatehouse"]
CMD ["run"]
