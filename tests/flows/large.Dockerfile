FROM debian:bookworm-slim
# Read and not kept: the builder gets it all the same.
COPY data /data
RUN rm -r /data
