# The command `gepa` alone: a static binary, certificate authorities, a user that is not root.
#
#   docker build -t gepa .
#   docker run --rm -v "$PWD:/work" -e OPENAI_API_KEY gepa run config.toml
#
# Programs in Python, Node or shell need an image with their interpreter: `COPY --from=gepa /gepa /usr/bin/gepa`.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev ca-certificates
WORKDIR /source
COPY . .
ARG GEPA_COMMIT
ARG GEPA_COMMIT_DATE
RUN cargo build --profile dist --locked --package gepa-cli --features parquet,otel \
    && mkdir -p /image/work /image/tmp /image/etc/ssl/certs \
    && cp target/dist/gepa /image/gepa \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'gepa:x:65532:65532::/work:/gepa' >/image/etc/passwd \
    && chown -R 65532:65532 /image/work /image/tmp

FROM scratch
COPY --from=build /image /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/gepa"]
CMD ["--help"]
