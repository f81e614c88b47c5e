FROM flowimage-test/busybox:static
RUN rm /bin/sh
