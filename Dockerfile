# One image for each service, so no image that production pulls contains the attacker's
# site or another program. (The command line `sso-lab` is built without the feature `up`,
# which runs the demo in one process.) One build makes all binaries, so each further
# image takes seconds:
#   scripts/image build
#   docker build --target idp --build-arg VERSION=0.1.0 --build-arg COMMIT=abc1234 .
# (Needs BuildKit. There is no `# syntax` line, because it would download a frontend.)
#
# The base images are build arguments, so that a machine can use images of its own:
#   BUILD_BASE    a Debian with gcc, libc6-dev, ca-certificates, and Rust in PATH
#   RUNTIME_BASE  any image: the binaries are static
#   DEV_BASE      an image with a shell and tar
ARG BUILD_BASE=rust:1.95-slim-bookworm
ARG RUNTIME_BASE=scratch
ARG DEV_BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS base
ENV CARGO_HOME=/usr/local/cargo \
    CARGO_TARGET_DIR=/target \
    # Links statically, glibc too, and packs the relocations, which take a twentieth of a
    # binary otherwise. The flags apply to the target only, which the build names: build
    # scripts and macros are built for the host.
    RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" \
    BUILD="cargo build --locked --profile dist --bins -p idp -p app1-bff -p app2-bff -p api-1 -p api-2 -p lab -p sso-lab --no-default-features"
WORKDIR /src

# The workspace's manifests, with an empty crate beside each. The result, and the layer
# of dependencies that is built from it, stay the same until a manifest changes. A cache
# mount would work on one machine only: a builder cannot export it, and cargo, which
# compares times, would reuse another checkout's artefacts.
FROM base AS skeleton
COPY Cargo.toml Cargo.lock ./
COPY crates crates/
COPY services services/
COPY testkit/Cargo.toml testkit/
COPY tests/Cargo.toml tests/
COPY tools/bench/Cargo.toml tools/bench/
COPY tools/fuzz/Cargo.toml tools/fuzz/
COPY tools/module-circles/Cargo.toml tools/module-circles/
COPY tools/tls-testing/Cargo.toml tools/tls-testing/
RUN find . -type f ! -name 'Cargo.*' ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -name build.rs -delete \
    && mkdir -p testkit/src tests/src tests/platform tests/browser tools/bench/src tools/bench/benches tools/fuzz/src tools/module-circles/src tools/tls-testing/src \
    && touch testkit/src/lib.rs tests/src/lib.rs tests/platform/main.rs tests/browser/main.rs tools/bench/src/lib.rs tools/bench/benches/figures.rs tools/fuzz/src/lib.rs tools/module-circles/src/main.rs tools/tls-testing/src/lib.rs \
    && find . -name lib.rs -exec sh -c 'echo "//! Empty." | tee "$@" >/dev/null' _ {} + \
    && find . \( -name main.rs -o -name build.rs \) -exec sh -c 'printf "//! Empty.\nfn main() { }\n" | tee "$@" >/dev/null' _ {} + \
    && find . -type d -empty -delete

FROM base AS dependencies
COPY --from=skeleton /src ./
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    $BUILD --target "$(rustc --print host-tuple)"

FROM dependencies AS build
COPY proto proto/
COPY crates crates/
COPY services services/
# Cargo compares times, and a source file may be older than the build of the empty crate.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    find proto crates services -type f -exec touch {} + \
    && host="$(rustc --print host-tuple)" \
    && $BUILD --target "$host" \
    && mkdir /out \
    && for name in idp app1-bff app2-bff api-1 api-2 lab sso-lab; do cp "/target/$host/dist/$name" /out/; done

FROM ${RUNTIME_BASE} AS runtime
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.source="https://github.com/sso-lab/sso-lab" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=base /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number, because the image has no /etc/passwd, and so that Kubernetes can verify that the user is not root.
USER 65532:65532
# The service drains, then exits with code 0.
STOPSIGNAL SIGTERM

FROM runtime AS idp
LABEL org.opencontainers.image.title="idp" \
      org.opencontainers.image.description="The OpenID Provider of sso-lab"
COPY --from=build /out/idp /idp
EXPOSE 8081 8481 9081 9101
ENTRYPOINT ["/idp"]

FROM runtime AS app1-bff
LABEL org.opencontainers.image.title="app1-bff" \
      org.opencontainers.image.description="App 1 of sso-lab, behind its BFF"
COPY --from=build /out/app1-bff /app1-bff
EXPOSE 8082 9102
ENTRYPOINT ["/app1-bff"]

FROM runtime AS app2-bff
LABEL org.opencontainers.image.title="app2-bff" \
      org.opencontainers.image.description="App 2 of sso-lab, behind its BFF"
COPY --from=build /out/app2-bff /app2-bff
EXPOSE 8083 9103
ENTRYPOINT ["/app2-bff"]

FROM runtime AS api-1
LABEL org.opencontainers.image.title="api-1" \
      org.opencontainers.image.description="API-1 of sso-lab: orders"
COPY --from=build /out/api-1 /api-1
EXPOSE 8084 8484 9104
ENTRYPOINT ["/api-1"]

FROM runtime AS api-2
LABEL org.opencontainers.image.title="api-2" \
      org.opencontainers.image.description="API-2 of sso-lab: inventory"
COPY --from=build /out/api-2 /api-2
EXPOSE 8085 9085 9105
ENTRYPOINT ["/api-2"]

FROM runtime AS lab
LABEL org.opencontainers.image.title="lab" \
      org.opencontainers.image.description="The lab of sso-lab: start page, single-page app, attacker's site. Not for production"
COPY --from=build /out/lab /lab
EXPOSE 8080 8086 8087 9100 9106 9107
ENTRYPOINT ["/lab"]

FROM runtime AS sso-lab
LABEL org.opencontainers.image.title="sso-lab" \
      org.opencontainers.image.description="The command line of sso-lab: checks a deployment, makes its secrets"
COPY --from=build /out/sso-lab /sso-lab
ENTRYPOINT ["/sso-lab"]

# For Tilt: a binary that tools/tilt/static-binaries built, and a shell that restarts the
# binary when Tilt replaces it.
FROM ${DEV_BASE} AS dev
ARG SERVICE
ENV SERVICE=${SERVICE}
RUN mkdir /live && chown 65532:65532 /live
COPY deploy/dev/run /dev-run
COPY --chown=65532:65532 .run/static/${SERVICE} /live/${SERVICE}
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/dev-run"]
