# One command a check; CI calls the same ones, all of them, by scripts/test.

# What there is
default:
    @just --list --unsorted

# Everything in one process, in memory
run *flags:
    cargo run --release -- {{flags}}

# Separate binaries against a real Redis (--replicas 2, --port-offset N, …)
up *flags:
    scripts/up {{flags}}

# Every check
all:
    scripts/test

# Install what the tests need and this machine lacks
tools:
    scripts/test tools

# Format
fmt:
    scripts/test fmt

# Lints
lint:
    scripts/test lint

# Licenses, sources, bans and advisories of the dependencies
deny:
    scripts/test deny

# The Helm chart, with its tools
chart *checks:
    scripts/chart-tools
    scripts/chart {{checks}}

# All tests
test:
    scripts/test build test

# The platform's flows and protocol rules alone
platform *filter:
    scripts/test build
    cargo test -p tests --test platform -- {{filter}}

# The story in a real browser alone
browser *filter:
    scripts/test build
    cargo test -p tests --test browser -- {{filter}}

# Build the images, try them in containers, tell their sizes (not part of `all`)
image *flags:
    scripts/image {{flags}}

# The platform in a kind cluster; again: upgrade
kind-up *flags:
    scripts/kind-up {{flags}}

# Remove that cluster
kind-down:
    scripts/kind-down
