# A command for each check. CI runs all checks by scripts/test.

# List the commands
default:
    @just --list --unsorted

# Run all services in one process, with data in memory
run *flags:
    cargo run --release -- {{flags}}

# Run each service as a process of its own, with a real Redis (--replicas 2, --port-offset N, …)
up *flags:
    scripts/up {{flags}}

# Run every check
all:
    scripts/test

# Install missing tools of the tests
tools:
    scripts/test tools

# Format
fmt:
    scripts/test fmt

# Lints
lint:
    scripts/test lint

# Check licenses, sources, bans and advisories of the dependencies
deny:
    scripts/test deny

# Check the Helm chart, after installing the tools
chart *checks:
    scripts/chart-tools
    scripts/chart {{checks}}

# Run all tests
test:
    scripts/test build test

# Run each fuzz target for so many seconds
fuzz seconds="2":
    FUZZ_SECONDS={{seconds}} scripts/test fuzz

# Run other people's strict clients against the provider
clients *which:
    scripts/test build
    scripts/clients {{which}}

# Run the tests of flows and protocol rules
platform *filter:
    scripts/test build
    cargo test -p tests --test platform -- {{filter}}

# Run the tests in a real browser
browser *filter:
    scripts/test build
    cargo test -p tests --test browser -- {{filter}}

# Build the images, test them in containers, print their sizes (not part of `all`)
image *flags:
    scripts/image {{flags}}

# Run the platform in a kind cluster; a second run upgrades
kind-up *flags:
    scripts/kind-up {{flags}}

# Delete the kind cluster
kind-down:
    scripts/kind-down
