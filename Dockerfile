# The service in a container: docker build -t lavawall . && docker run -p 127.0.0.1:8080:8080 lavawall
# Devices must be handed in: --device /dev/video0 --device /dev/hwrng --device /dev/tpmrm0.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN useradd --system --groups video --home-dir /var/lib/lavawall --create-home lavawall
COPY --from=build /src/target/release/lavawall /usr/local/bin/lavawall
USER lavawall
VOLUME /var/lib/lavawall
EXPOSE 8080
# Healthy is what answers. With certificates or tokens, set LAVAWALL_URL, LAVAWALL_CA_FILE and
# LAVAWALL_TOKEN_FILE too.
HEALTHCHECK CMD ["lavawall", "random", "1", "--format", "hex"]
# Inside its own network namespace, loopback cannot be reached from outside: the container listens
# on all addresses, and whoever publishes the port decides who may call. Publish it on loopback, or
# mount a configuration with certificates and tokens. Callers that use the container's name need it
# in http.hosts, as in: docker run -e 'LAVAWALL_HTTP_HOSTS=["lavawall"]'
ENV LAVAWALL_HTTP_LISTEN=0.0.0.0:8080 \
    LAVAWALL_HTTP_LISTEN_BEYOND_LOOPBACK_WITHOUT_TLS_OR_TOKENS=true
ENTRYPOINT ["lavawall"]
CMD ["serve", "--state-dir", "/var/lib/lavawall/state"]
