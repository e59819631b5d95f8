# The application as one static program, alone in its image.
#
# This file fits a workspace whose default member is the application, and a package that is the application.

# The manifests, and of the sources only empty stand-ins for what the manifests build: this stage's files change when dependencies do,
# not when the code does.
FROM rust:1-bookworm AS skeleton
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -name 'rust-toolchain*' ! -path '*/.cargo/config.toml' \
        ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -path '*/src/bin/*.rs' ! -name build.rs ! -path '*/benches/*.rs' -delete \
 && echo 'fn main() {}' >/program.rs && find . -name '*.rs' -exec cp /program.rs {} \; \
 && find . -path '*/src/lib.rs' -exec truncate --size 0 {} +

FROM rust:1-bookworm AS dependencies
WORKDIR /src
# A program that needs no file besides its own. `--target` keeps the flag away from the build's own programs.
ENV RUSTFLAGS="-C target-feature=+crt-static"
COPY --from=skeleton /src .
RUN cargo build --release --locked --target "$(rustc --print host-tuple)"

FROM dependencies AS build
COPY . .
# The real sources may be older than what was just built from the stand-ins. What build scripts wrote into `target` stays as it is, or
# its crates would be built again.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --target "$(rustc --print host-tuple)" \
 && find target/*/release -maxdepth 1 -type f -executable >/programs \
 && if [ "$(wc -l </programs)" -ne 1 ]; then echo "exactly one program is expected, but there are:" && cat /programs && exit 1; fi \
 && mkdir -p /image/data && cp "$(cat /programs)" /image/app

FROM scratch
LABEL org.opencontainers.image.title="cloakroom-login" \
      org.opencontainers.image.description="A login application whose sessions Node's express-session can share" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The authorities that sign the certificate of a Redis server with TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Where the sessions are if no Redis server is named. A volume that is mounted here for the first time takes on this owner.
COPY --from=build --chown=65532:65532 /image/data /data
COPY --from=build /image/app /app
ENV APP_ENV=production BIND=0.0.0.0 PORT=3000 DATA_DIR=/data
USER 65532:65532
EXPOSE 3000
HEALTHCHECK --interval=3s --timeout=5s --start-period=15s CMD ["/app", "healthcheck"]
ENTRYPOINT ["/app"]
