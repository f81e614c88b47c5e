# Written by flowimage from the declaration of a flow; each part names its key.

# base_image
FROM busybox:musl

# flow
COPY .flowimage/rootfs/ /
COPY .flowimage/lib/ /opt/flow/lib/
COPY .flowimage/flow /opt/flow/flow
ARG FLOWIMAGE_USER=65532:65532
USER ${FLOWIMAGE_USER}
ENTRYPOINT ["/opt/flow/lib/loader", "--library-path", "/opt/flow/lib", "/opt/flow/flow"]
CMD ["list"]
