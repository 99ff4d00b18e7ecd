# One image a service: nothing that production pulls holds the attacker's site, or
# another program to start. (The command line, `sso-lab`, is built without `up`,
# the demo in one process.) All binaries come of one build, so the second image
# costs seconds:
#   scripts/image build
#   docker build --target idp --build-arg VERSION=0.1.0 --build-arg COMMIT=abc1234 .
# (BuildKit; no `# syntax` line, which would fetch a frontend.)
#
# Bases are arguments, for machines that build from images of their own:
#   BUILD_BASE    a Debian with gcc, libc6-dev, ca-certificates, and Rust in PATH
#   RUNTIME_BASE  nothing is needed of it: the binaries are static
#   DEV_BASE      a shell and tar
ARG BUILD_BASE=rust:1.95-slim-bookworm
ARG RUNTIME_BASE=scratch
ARG DEV_BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS base
ENV CARGO_HOME=/usr/local/cargo \
    CARGO_TARGET_DIR=/target \
    # Static, glibc too. It counts for the target alone, which is named below:
    # build scripts and macros are for the host.
    RUSTFLAGS="-C target-feature=+crt-static" \
    BUILD="cargo build --locked --profile dist --bins -p idp -p app1-bff -p app2-bff -p api-1 -p api-2 -p lab -p sso-lab --no-default-features"
WORKDIR /src

# The workspace with nothing in it: every manifest, an empty crate beside each.
# It comes out the same as long as no manifest changes, and so does the layer of
# dependencies that is built from it. A cache mount would do for one machine, but
# no builder can export it, and cargo, going by times, takes what another
# checkout left there for its own.
FROM base AS skeleton
COPY Cargo.toml Cargo.lock ./
COPY crates crates/
COPY services services/
COPY testkit/Cargo.toml testkit/
COPY tests/Cargo.toml tests/
COPY bench/Cargo.toml bench/
RUN find . -type f ! -name 'Cargo.*' ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -name build.rs -delete \
    && mkdir -p testkit/src tests/src tests/platform tests/browser bench/src bench/benches \
    && touch testkit/src/lib.rs tests/src/lib.rs tests/platform/main.rs tests/browser/main.rs bench/src/lib.rs bench/benches/calls.rs \
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
# Cargo goes by times: a source may be older than the empty crate was built.
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
# By number: there is no /etc/passwd, and Kubernetes can see that it is not root.
USER 65532:65532
# Drains, then ends with 0.
STOPSIGNAL SIGTERM

FROM runtime AS idp
LABEL org.opencontainers.image.title="idp" \
      org.opencontainers.image.description="The OpenID Provider of sso-lab"
COPY --from=build /out/idp /idp
EXPOSE 8081 9081 9101
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
EXPOSE 8084 9104
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

# For Tilt: a binary that was built outside (scripts/static-binaries), and a shell
# that starts it anew when another takes its place.
FROM ${DEV_BASE} AS dev
ARG SERVICE
ENV SERVICE=${SERVICE}
RUN mkdir /live && chown 65532:65532 /live
COPY deploy/dev/run /dev-run
COPY --chown=65532:65532 .run/static/${SERVICE} /live/${SERVICE}
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/dev-run"]
